"""Which account and which rate the guardian works with, by the environment."""

import logging

import pytest

from services.guardian import access_from

KEYS = {f"{p}{n}": f"{p}{n}" for p in ("KIS_", "KIS_VIRTUAL_") for n in ("APPKEY", "APPSECRET", "ACCOUNT")}


def test_access_follows_the_venue() -> None:
    assert access_from({}) is None
    real = access_from(KEYS)
    assert real is not None
    assert (real.paper, real.appkey, real.appsecret, real.account) == (
        False,
        "KIS_APPKEY",
        "KIS_APPSECRET",
        "KIS_ACCOUNT",
    )
    assert "openapi.koreainvestment.com:9443" in real.base_url
    virtual = access_from({**KEYS, "SEOHAK_VENUE": "kis_virtual"})
    assert virtual is not None
    assert (virtual.paper, virtual.appkey) == (True, "KIS_VIRTUAL_APPKEY")
    assert "openapivts" in virtual.base_url
    assert virtual.quote_url == virtual.base_url, "the real host refuses paper keys"
    only_paper = access_from({k: v for k, v in KEYS.items() if "VIRTUAL" in k})
    assert only_paper is not None
    assert only_paper.paper


def test_access_needs_all_three(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    assert access_from({**KEYS, "KIS_ACCOUNT": ""}) is None


@pytest.mark.parametrize(("text", "rate"), [("3", 3.0), ("x", 1.0), ("0", 0.1), ("-5", 0.1)])
def test_the_rate_setting_is_the_traders(text: str, rate: float) -> None:
    access = access_from({**KEYS, "KIS_RATE_PER_S": text})
    assert access is not None
    assert access.rate_per_s == rate
    default = access_from({**KEYS, "KIS_BASE_URL": "http://a", "KIS_VIRTUAL_BASE_URL": "http://b"})
    assert default is not None
    assert (default.rate_per_s, default.base_url) == (15.0, "http://a")
