"""No secret reaches the log."""

import logging
import sys

import pytest

from config.logs import HIDDEN, Redactor

SECRETS = ["PSabcdef0123456789", "12345678-01"]
TOKEN = "123456789:AAEhBP0av28_abcdefghijklmnopqrstuvwxy"


@pytest.mark.parametrize(
    "text",
    [
        "appsecret is PSabcdef0123456789",
        f"POST https://api.telegram.org/bot{TOKEN}/getMe",
        "authorization: Bearer eyJhbGciOiJIUzUxMiJ9.abcdef.ghijkl",
        "{'appkey': 'PSxyz', 'appsecret': 'topsecret'}",
        '{"CANO": "12345678", "x": 1}',
        "https://x/?apiKey=topsecret&y=1",
        "account 12345678-01",
    ],
)
def test_secrets_are_hidden(text: str) -> None:
    found = Redactor(SECRETS).redact(text)
    assert HIDDEN in found
    for secret in (*SECRETS, TOKEN, "PSxyz", "topsecret", "eyJhbGciOiJIUzUxMiJ9", "12345678"):
        assert secret not in found


def test_what_is_not_secret_stays() -> None:
    text = "NVDA bought 7 at 143.20, order 0030138295"
    assert Redactor(SECRETS).redact(text) == text


def test_short_values_are_not_treated_as_secrets() -> None:
    assert Redactor(["", "me"]).redact("some message") == "some message"


def test_tracebacks_are_redacted_too() -> None:
    record: logging.LogRecord
    try:
        raise ValueError(f"refused {SECRETS[0]}")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "broke: %s", (SECRETS[1],), sys.exc_info())
    found = Redactor(SECRETS).format(record)
    assert "ValueError" in found
    assert not any(s in found for s in SECRETS)
