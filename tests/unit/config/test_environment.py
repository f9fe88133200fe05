"""The environment and .env."""

from pathlib import Path

import pytest

from config import environment as env
from config.params import ConfigError

KIS = {
    "KIS_HTS_ID": "me",
    **{f"{p}{n}": f"{p}{n}" for p in ("KIS_", "KIS_VIRTUAL_") for n in ("ACCOUNT", "APPKEY", "APPSECRET")},
}


def test_the_process_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / ".env"
    path.write_text("POLYGON_API_KEY=file\nREDIS_URL=redis://file\nEMPTY=\n")
    monkeypatch.setenv("POLYGON_API_KEY", "process")
    monkeypatch.delenv("REDIS_URL", raising=False)
    found = env.environment(path)
    assert (found["POLYGON_API_KEY"], found["REDIS_URL"]) == ("process", "redis://file")
    assert "EMPTY" not in found
    monkeypatch.setenv("SEOHAK_ENV_FILE", str(path))
    assert env.environment()["REDIS_URL"] == "redis://file"


def test_defaults_need_nothing() -> None:
    found = env.base({})
    assert found.database_url.startswith("sqlite+aiosqlite:////")
    assert found.redis_url == ""
    assert found.config_path.name == "config.yaml"


@pytest.mark.parametrize("url", ["postgres://u:p@h/d", "postgresql://u:p@h/d", "postgresql+asyncpg://u:p@h/d"])
def test_every_spelling_of_postgresql_gets_the_async_driver(url: str) -> None:
    assert env.base({"DATABASE_URL": url}).database_url == "postgresql+asyncpg://u:p@h/d"


def test_a_socket_path_never_exceeds_the_kernels_limit(tmp_path: Path) -> None:
    short = env.base({"SEOHAK_STATE_DIR": "/tmp/s"}).socket("trader")
    assert short == Path("/tmp/s/trader.sock").resolve()
    deep = env.base({"SEOHAK_STATE_DIR": str(tmp_path / ("d" * 120))})
    assert len(str(deep.socket("trader"))) <= 107
    assert deep.socket("trader") == deep.socket("trader") != deep.socket("redis")


def test_kis_paper_and_real_never_mix() -> None:
    virtual, real = env.kis(KIS, "kis_virtual"), env.kis(KIS, "kis_real")
    assert (virtual.account, virtual.base_url, virtual.paper) == ("KIS_VIRTUAL_ACCOUNT", env.PAPER_HOST, True)
    assert (real.account, real.base_url, real.paper) == ("KIS_ACCOUNT", env.REAL_HOST, False)
    assert virtual.quote_url == real.quote_url == env.REAL_HOST


@pytest.mark.parametrize("name", ["KIS_HTS_ID", "KIS_APPKEY", "KIS_APPSECRET", "KIS_ACCOUNT"])
def test_a_missing_secret_is_named_with_the_remedy(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{name} is missing: put it into \.env"):
        env.kis({k: v for k, v in KIS.items() if k != name}, "kis_real")


def test_a_blank_secret_is_missing() -> None:
    with pytest.raises(ConfigError, match="POLYGON_API_KEY is missing"):
        env.polygon({"POLYGON_API_KEY": "  "})
    assert env.polygon({"MASSIVE_API_KEY": "k"}).key == "k"


@pytest.mark.parametrize(
    ("owners", "words"), [("", "is missing"), (" , ", "without an owner"), ("@me", "numbers separated by commas")]
)
def test_without_owners_the_bot_does_not_start(owners: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        env.telegram({"TELEGRAM_BOT_TOKEN": "t", "TELEGRAM_OWNER_IDS": owners})


def test_owners() -> None:
    found = env.telegram({"TELEGRAM_BOT_TOKEN": "t", "TELEGRAM_OWNER_IDS": " 1, 2,"})
    assert found.owners == {1, 2}


@pytest.mark.parametrize("value", ["fast", "0", "-1"])
def test_a_wrong_number_is_named(value: str) -> None:
    with pytest.raises(ConfigError, match="KIS_TIMEOUT_S: expected a"):
        env.kis({**KIS, "KIS_TIMEOUT_S": value}, "kis_real")


def test_each_feed_asks_for_its_own_keys_and_names_the_other_feed() -> None:
    env.check_feed({"POLYGON_API_KEY": "p"}, "polygon")
    env.check_feed(KIS, "kis")
    with pytest.raises(
        ConfigError, match=r"scanner\.feed is polygon: POLYGON_API_KEY is missing.*set scanner\.feed: kis"
    ):
        env.check_feed(KIS, "polygon")
    with pytest.raises(ConfigError, match=r"scanner\.feed is kis: KIS_APPKEY is missing.*set scanner\.feed: polygon"):
        env.check_feed({k: v for k, v in KIS.items() if k != "KIS_APPKEY"} | {"POLYGON_API_KEY": "p"}, "kis")


def test_kiss_market_data_is_asked_with_the_real_accounts_key() -> None:
    found = env.kis_market(KIS)
    assert (found.appkey, found.paper, found.base_url) == ("KIS_APPKEY", False, env.REAL_HOST)
