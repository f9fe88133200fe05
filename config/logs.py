"""Logging: one line per record on standard error, secrets replaced before they are written."""

import logging
import re
import sys
import traceback
from collections.abc import Iterable

TOKEN = re.compile(r"\d{6,}:[A-Za-z0-9_-]{30,}")
BEARER = re.compile(r"(Bearer\s+|eyJ)[A-Za-z0-9._-]{16,}")
KEY_VALUE = re.compile(r"(?i)(appkey|appsecret|secretkey|apikey|api_key|CANO)(['\"]?\s*[=:]\s*['\"]?)([^'\"&\s,}]+)")
URL_PASSWORD = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s@]+(?=@)")
URL_QUERY = re.compile(r"(?i)([?&]password=)[^&\s'\"]+")
HIDDEN = "•••"


class Redactor(logging.Formatter):
    """Formats a record and hides tokens, keys, account numbers and the values it was told of."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._secrets = [s for s in secrets if len(s) >= 6]

    def format(self, record: logging.LogRecord) -> str:
        """The finished line, exception included, without secrets."""
        return self.redact(super().format(record))

    def formatException(self, ei: object) -> str:  # noqa: N802  (the library's name)
        """Traceback text; the arguments of frames are never printed."""
        return "".join(traceback.format_exception(*ei)) if isinstance(ei, tuple) else ""

    def redact(self, text: str) -> str:
        """Replace every secret in a text."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        text = TOKEN.sub(HIDDEN, text)
        text = BEARER.sub(HIDDEN, text)
        text = URL_PASSWORD.sub(rf"\1{HIDDEN}", text)
        text = URL_QUERY.sub(rf"\1{HIDDEN}", text)
        return KEY_VALUE.sub(rf"\1\2{HIDDEN}", text)


def set_up(level: str, secrets: Iterable[str] = ()) -> None:
    """Send everything to standard error, redacted; libraries that print secrets or noise are quietened."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Redactor(secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("httpx", "httpcore", "apscheduler", "urllib3", "websockets", "matplotlib", "aiosqlite", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
