"""The guardian's session with KIS, against a scripted server on loopback: requests a second, tokens, secrets."""

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from adapters.kis.auth import Token
from adapters.kis.ratefile import fingerprint
from core.model.instrument import Exchange
from services import guardian_broker
from services.guardian_broker import Access, GuardianBroker, GuardianRefused, GuardianTrouble
from tests.unit.services.guardian_kis import (
    ACCOUNT,
    APPKEY,
    CANARIES,
    SECRET,
    TOKEN,
    WALL,
    Asked,
    Clock,
    Handler,
    Kis,
    Reply,
    connect,
)


def test_an_order_beyond_the_limit_of_requests_is_refused(
    kis: Kis, broker: GuardianBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker._kis._token = TOKEN
    monkeypatch.setattr(broker._kis._window, "acquire", lambda _: False)
    with pytest.raises(GuardianRefused, match="limit"):
        broker.sell("NVDA", "NASD", 1, "1.00")
    assert kis.asked == []


@pytest.mark.parametrize(
    ("is_paper", "rate_per_s", "speed", "rate", "period_s"),
    [
        (False, 15.0, "1", 15, 1.11),
        (False, 99.0, "1", 18, 1.11),
        (True, 15.0, "1", 1, 1.11),
        (False, 0.5, "1", 1, 2.21),
        (False, 15.0, "2", 15, 0.56),
    ],
)
def test_the_limit_is_the_traders(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_paper: bool,
    rate_per_s: float,
    speed: str,
    rate: int,
    period_s: float,
) -> None:
    monkeypatch.setenv("SEOHAK_CLOCK_SPEED", speed)
    access = Access("http://h", "http://h", "k", "s", "1", paper=is_paper, rate_per_s=rate_per_s)
    window = GuardianBroker(access, tmp_path)._kis._window
    assert (window.rate, window.period_s) == (rate, pytest.approx(period_s))


# -- the token -----------------------------------------------------------------------------------------


def token_file(kis: Kis, folder: Path) -> Path:
    return folder / f"kis-token-{fingerprint(kis.url, APPKEY)}.json"


def test_the_traders_token_is_used_and_none_is_asked_for(kis: Kis, broker: GuardianBroker, tmp_path: Path) -> None:
    token_file(kis, tmp_path).write_text(json.dumps({"text": "TRADERS", "scheme": "Bearer", "expires_at": "x"}))
    kis.on("price", {"output": {"last": "1"}})
    broker.price("NVDA", "NASD")
    assert kis.names() == ["price"]
    assert kis.asked[0].headers["authorization"] == "Bearer TRADERS"


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"text": 5}', '{"text": ""}', '{"text": "a\\nb"}', '{"text": "토큰"}']
)
def test_a_token_file_that_makes_no_sense_is_replaced(
    kis: Kis, broker: GuardianBroker, tmp_path: Path, content: str
) -> None:
    path = token_file(kis, tmp_path)
    path.write_text(content)
    kis.on("price", {"output": {"last": "1"}})
    broker.price("NVDA", "NASD")
    assert kis.names() == ["tokenP", "price"]
    assert kis.asked[0].fields == {"grant_type": "client_credentials", "appkey": APPKEY, "appsecret": SECRET}
    kept = msgspec.json.decode(path.read_bytes(), type=Token)
    assert (kept.text, kept.header, kept.expires_at.timestamp()) == (TOKEN, f"Bearer {TOKEN}", WALL + 86_400)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "dead", [{"msg_cd": "EGW00123"}, {"msg_cd": "EGW00121"}, {"msg1": "기간이 만료된 token 입니다."}]
)
def test_a_dead_token_is_replaced_and_a_query_asked_again_once(
    kis: Kis, broker: GuardianBroker, tmp_path: Path, dead: dict[str, str]
) -> None:
    token_file(kis, tmp_path).write_text(json.dumps({"text": "DEAD"}))
    kis.on("price", (500, {"rt_cd": "1", **dead}), {"output": {"last": "1"}})
    assert broker.price("NVDA", "NASD") == 1
    assert kis.names() == ["price", "tokenP", "price"]
    assert kis.asked[2].headers["authorization"] == f"Bearer {TOKEN}"


def test_a_token_is_asked_for_once_a_minute_across_restarts(kis: Kis, tmp_path: Path, clock: Clock) -> None:
    kis.on("price", (500, {"rt_cd": "1", "msg_cd": "EGW00123"}))
    with pytest.raises(GuardianTrouble):
        connect(kis, tmp_path, clock).price("NVDA", "NASD")
    assert kis.names().count("tokenP") == 1
    token_file(kis, tmp_path).unlink()
    for seconds, issues in [(0, 1), (60.9, 1), (0.2, 2)]:
        clock.now += seconds
        with pytest.raises(GuardianTrouble):
            connect(kis, tmp_path, clock).price("NVDA", "NASD")
        assert kis.names().count("tokenP") == issues
        token_file(kis, tmp_path).unlink(missing_ok=True)


def test_a_restarted_guardian_uses_the_token_it_was_given(kis: Kis, tmp_path: Path, clock: Clock) -> None:
    kis.on("price", {"output": {"last": "1"}})
    connect(kis, tmp_path, clock).price("NVDA", "NASD")
    connect(kis, tmp_path, clock).price("NVDA", "NASD")
    assert kis.names() == ["tokenP", "price", "price"]


@pytest.mark.parametrize(
    ("reply", "pause_s"),
    [
        (None, 10.0),
        ((403, {"rt_cd": "1", "error_code": "EGW00133"}), 61.0),
        ((500, b""), 10.0),
        ({"access_token": 5}, 10.0),
        ({"access_token": ""}, 10.0),
    ],
)
def test_a_failed_issue_is_a_refusal_and_waits(
    kis: Kis, broker: GuardianBroker, clock: Clock, reply: Reply, pause_s: float
) -> None:
    kis.on("tokenP", reply)
    for seconds, issues in [(0.0, 1), (pause_s - 0.1, 1), (0.2, 2)]:
        clock.now += seconds
        with pytest.raises(GuardianRefused):
            broker.sell("NVDA", "NASD", 1, "1.00")
        assert kis.names() == ["tokenP"] * issues


@pytest.mark.parametrize(
    ("known", "waits"),
    [
        ({"not_before": WALL + 30}, True),
        ({"busy_until": WALL + 15}, True),
        ({"not_before": WALL + 62}, False),
        ({"busy_until": WALL + 21}, False),
        ({"not_before": WALL - 1, "busy_until": WALL}, False),
        ({"not_before": "x", "busy_until": None}, False),
        ([], False),
    ],
)
def test_what_the_trader_knows_of_the_minute_counts(
    kis: Kis, broker: GuardianBroker, tmp_path: Path, known: object, waits: bool
) -> None:
    token_file(kis, tmp_path).with_suffix(".lock").write_text(json.dumps(known))
    kis.on("price", {"output": {"last": "1"}})
    if waits:
        with pytest.raises(GuardianRefused, match="waiting"):
            broker.price("NVDA", "NASD")
    else:
        broker.price("NVDA", "NASD")
    assert (kis.names() == []) is waits


def test_a_disk_that_keeps_nothing_does_not_break_the_minute(kis: Kis, tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "file").write_text("")
    broker = connect(kis, tmp_path / "file", clock)
    kis.on("price", {"output": {"last": "1"}})
    broker.price("NVDA", "NASD")
    broker.price("NVDA", "NASD")
    assert kis.names() == ["tokenP", "price", "price"]
    kis.on("price", (500, {"rt_cd": "1", "msg_cd": "EGW00123"}))
    for _ in range(3):
        with pytest.raises(GuardianTrouble):
            broker.price("NVDA", "NASD")
    assert kis.names().count("tokenP") == 1


def test_the_same_token_given_again_is_used_again(kis: Kis, broker: GuardianBroker, clock: Clock) -> None:
    """KIS gives the same token again within six hours, even one that it has refused."""
    kis.on("price", (500, {"rt_cd": "1", "msg_cd": "EGW00123"}))
    with pytest.raises(GuardianTrouble):
        broker.price("NVDA", "NASD")
    clock.now += 62
    kis.on("price", {"output": {"last": "1"}})
    broker.price("NVDA", "NASD")
    broker.price("NVDA", "NASD")
    assert kis.names().count("tokenP") == 2


# -- secrets -------------------------------------------------------------------------------------------


def echoes(asked: Asked) -> Reply:
    words = f"{asked.headers.get('authorization')} {APPKEY} {SECRET} {ACCOUNT} 8765432109 87654321"
    return (500, {"rt_cd": "1", "msg_cd": TOKEN, "msg1": words, "error_code": APPKEY, "error_description": words})


@pytest.mark.parametrize("reply", [echoes, None, (500, b""), b"{", {"output": {}}])
def test_no_secret_is_in_any_text(
    kis: Kis, broker: GuardianBroker, caplog: pytest.LogCaptureFixture, reply: Reply | Handler
) -> None:
    caplog.set_level(logging.DEBUG)
    calls: list[Callable[[], object]] = [
        lambda: broker.price("NVDA", "NASD"),
        lambda: broker.shares("NASD"),
        broker.open_orders,
        lambda: broker.sell("NVDA", "NASD", 1, "1.00"),
        lambda: broker.cancel("NVDA", "NASD", "1"),
    ]
    texts = [repr(broker._access), str(vars(broker)["_access"])]
    for name in ("price", "inquire-balance", "inquire-nccs", "order", "order-rvsecncl"):
        kis.on(name, reply)
    for call in calls:
        try:
            call()
        except GuardianTrouble as trouble:
            texts += [str(trouble), repr(trouble), str(trouble.__cause__)]
    kis.on("tokenP", reply)
    other = connect(kis, Path(broker._kis._token_file).parent / "other", lambda: WALL)
    with pytest.raises(GuardianTrouble) as caught:
        other.price("NVDA", "NASD")
    texts += [str(caught.value), caplog.text]
    assert [c for c in CANARIES for text in texts if c in text] == []


def test_all_exchanges_of_the_product_are_known() -> None:
    assert {e.value: e.quote_code for e in Exchange} == guardian_broker.QUOTE_CODES


def test_an_order_is_timed_by_the_clock_of_the_machine(kis: Kis, broker: GuardianBroker) -> None:
    began = time.monotonic()
    kis.on("price", {"output": {"last": "1"}})
    for _ in range(5):
        broker.price("NVDA", "NASD")
    assert time.monotonic() - began < 5
