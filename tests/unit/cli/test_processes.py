"""The family of processes: each program gets what is its business."""

import pytest

from cli.programs import environment_of

ENV = {
    "PATH": "/bin",
    "KIS_APPKEY": "k",
    "KIS_APPSECRET": "s",
    "KIS_MASTER_URL": "http://127.0.0.1:9",
    "POLYGON_API_KEY": "p",
    "TELEGRAM_BOT_TOKEN": "t",
}


def test_the_collector_asks_for_symbols_where_it_is_told_and_knows_no_secret_of_the_broker() -> None:
    """Without the address the demo would ask the real KIS, and show no Korean names."""
    assert environment_of("collector", ENV).keys() == {"PATH", "KIS_MASTER_URL", "POLYGON_API_KEY"}


@pytest.mark.parametrize(
    ("name", "heads"),
    [("trader", "KIS_"), ("guardian", "KIS_"), ("analyzer", "none"), ("bot", ("TELEGRAM_", "POLYGON_"))],
)
def test_every_other_program_gets_its_own_secrets_only(name: str, heads: str | tuple[str, ...]) -> None:
    assert environment_of(name, ENV).keys() == {"PATH"} | {key for key in ENV if key.startswith(heads)}
