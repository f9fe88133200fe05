"""The guardian's token: when it may ask for one, what it leaves the trader in the shared files, what it says of it."""

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from services import guardian_session
from services.fence import read_some
from services.guardian_session import (
    AFTER_FAILURE_S,
    FLIGHT_S,
    ISSUE_EVERY_S,
    LIFE_S,
    Access,
    Answer,
    GuardianRefused,
    GuardianTrouble,
    Session,
)
from tests.unit.services.guardian_kis import APPKEY, SECRET, TOKEN, WALL

GIVEN = Answer(200, {"access_token": TOKEN, "expires_in": 3_600}, more=False)


class Desk:
    """A session whose requests are answered here, and the files it shares."""

    def __init__(self, folder: Path) -> None:
        self.now, self.answer = WALL, GIVEN
        self.trouble: Exception | None = None
        self.sent: list[tuple[object, ...]] = []
        self.while_asking: dict[str, object] = {}
        self.folder = folder
        self.session = self.start()

    def start(self) -> Session:
        """A new process."""
        access = Access("http://host/", "http://host/", APPKEY, SECRET, "87654321-09", paper=False)
        made = Session(access, self.folder, lambda: self.now)
        made._sent = self._sent
        return made

    def _sent(self, *request: object) -> Answer:
        self.sent.append(request)
        self.while_asking = self.rule
        if self.trouble is not None:
            raise self.trouble
        return self.answer

    def _read(self, pattern: str) -> dict[str, object]:
        (path,) = self.folder.glob(pattern)
        return json.loads(read_some(path) or b"{}")

    @property
    def rule(self) -> dict[str, object]:
        return self._read("kis-token-*.lock")

    @property
    def kept(self) -> dict[str, object]:
        return self._read("kis-token-*.json")

    def write_rule(self, **fields: object) -> None:
        with self.session._rule.hold() as held:
            assert held is not None
            held.write(fields)

    def ask(self) -> str:
        return self.session._issue()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_token_is_asked_for_to_the_letter(desk: Desk) -> None:
    assert desk.ask() == TOKEN
    body = {"grant_type": "client_credentials", "appkey": APPKEY, "appsecret": SECRET}
    headers = {"content-type": "application/json"}
    assert desk.sent == [("POST", "http://host/", "/oauth2/tokenP", headers, body)]


def test_while_it_asks_nobody_else_does_and_after_it_not_for_a_minute(desk: Desk) -> None:
    desk.ask()
    assert desk.while_asking == {"asked_at": WALL, "not_before": WALL + AFTER_FAILURE_S, "busy_until": WALL + FLIGHT_S}
    assert desk.rule == {"asked_at": WALL, "not_before": WALL + ISSUE_EVERY_S, "busy_until": 0.0}


@pytest.mark.parametrize(
    ("answer", "pause_s"),
    [
        (Answer(200, {"rt_cd": "1"}, more=False), AFTER_FAILURE_S),
        (Answer(403, {"error_code": "EGW00133"}, more=False), ISSUE_EVERY_S),
        (Answer(500, {}, more=False), AFTER_FAILURE_S),
    ],
)
def test_a_token_that_is_not_given_may_be_asked_for_again_soon(desk: Desk, answer: Answer, pause_s: float) -> None:
    desk.answer = answer
    with pytest.raises(GuardianRefused, match=f"^NOT_SENT no token: {answer.code}$") as caught:
        desk.ask()
    assert (caught.value.code, caught.value.soon) == ("NOT_SENT", True)
    assert desk.rule == {"asked_at": WALL, "not_before": WALL + pause_s, "busy_until": 0.0}


def test_a_token_whose_answer_is_lost_is_an_order_that_was_not_sent(desk: Desk) -> None:
    desk.trouble = GuardianTrouble("tokenP: TimeoutError")
    with pytest.raises(GuardianRefused, match=r"^NOT_SENT no token: tokenP: TimeoutError$") as caught:
        desk.ask()
    assert caught.value.soon
    assert desk.rule == {"asked_at": WALL, "not_before": WALL + AFTER_FAILURE_S, "busy_until": 0.0}


@pytest.mark.parametrize(
    ("expires_in", "lives_s"),
    [(3_600, 3_600), (60.5, 60.5), (999_999, LIFE_S), (None, LIFE_S), ("x", LIFE_S), (0, LIFE_S)],
)
def test_a_token_is_left_to_the_trader_with_its_end(desk: Desk, expires_in: object, lives_s: float) -> None:
    desk.answer = Answer(200, {"access_token": TOKEN, "expires_in": expires_in}, more=False)
    desk.ask()
    ends = dt.datetime.fromtimestamp(WALL + lives_s, dt.UTC)
    assert desk.kept == {"text": TOKEN, "scheme": "Bearer", "expires_at": ends.isoformat()}
    (path,) = desk.folder.glob("kis-token-*.json")
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("field", "after_s", "waits"),
    [
        ("busy_until", 0.001, True),
        ("busy_until", FLIGHT_S, True),
        ("busy_until", FLIGHT_S + 0.001, False),
        ("busy_until", 0.0, False),
        ("not_before", 0.001, True),
        ("not_before", ISSUE_EVERY_S, True),
        ("not_before", ISSUE_EVERY_S + 0.001, False),
        ("not_before", 0.0, False),
    ],
)
def test_what_the_trader_left_in_the_rule_is_obeyed_unless_it_is_of_another_clock(
    desk: Desk, field: str, after_s: float, waits: bool
) -> None:
    desk.write_rule(**{field: WALL + after_s})
    if not waits:
        assert desk.ask() == TOKEN
        return
    with pytest.raises(GuardianRefused, match=r"^NOT_SENT waiting before asking for another token$") as caught:
        desk.ask()
    assert caught.value.soon
    assert desk.sent == []


@pytest.mark.parametrize(
    ("later_s", "asks"),
    [
        (AFTER_FAILURE_S - 0.001, False),
        (AFTER_FAILURE_S, True),
        (-0.001, False),
        (AFTER_FAILURE_S - ISSUE_EVERY_S - 1, True),
    ],
    ids=["too-soon", "in-time", "clock-a-little-back", "clock-far-back"],
)
def test_without_the_shared_file_it_keeps_the_rule_by_itself(desk: Desk, later_s: float, asks: bool) -> None:
    for path in desk.folder.glob("kis-token-*.lock"):
        path.unlink()
    desk.session._rule._path.mkdir()
    desk.trouble = GuardianTrouble("tokenP: TimeoutError")
    with pytest.raises(GuardianRefused):
        desk.ask()
    desk.trouble = None
    desk.now += later_s
    if asks:
        assert desk.ask() == TOKEN
    else:
        with pytest.raises(GuardianRefused, match="waiting"):
            desk.ask()


def test_it_waits_also_where_it_was_interrupted_while_asking(desk: Desk) -> None:
    """What is neither an answer nor trouble: the claim itself holds the next one back."""
    desk.trouble = MemoryError()
    with pytest.raises(MemoryError):
        desk.ask()
    desk.trouble = None
    desk.write_rule()
    with pytest.raises(GuardianRefused, match="waiting"):
        desk.ask()
    desk.now += AFTER_FAILURE_S
    assert desk.ask() == TOKEN


def test_a_process_that_died_while_asking_holds_the_next_one_back_until_its_time_is_over(desk: Desk) -> None:
    desk.trouble = MemoryError()
    with pytest.raises(MemoryError):
        desk.ask()
    desk.trouble, desk.session = None, desk.start()
    with pytest.raises(GuardianRefused, match="waiting"):
        desk.ask()
    desk.now += FLIGHT_S
    assert desk.ask() == TOKEN


@pytest.mark.parametrize("value", [None, "5", float("inf"), float("nan"), []])
def test_an_instant_that_makes_no_sense_is_long_ago(value: object) -> None:
    assert guardian_session._instant(value) == 0.0
    assert guardian_session._instant(5) == 5.0


def test_a_refused_token_counts_again_once_it_is_given_again(desk: Desk) -> None:
    desk.session._refused.add(TOKEN)
    assert desk.session._bearer() == TOKEN
    assert desk.session._refused == set()
    assert desk.session._secrets.count(TOKEN) == 1
    assert desk.session._bearer() == TOKEN
    assert len(desk.sent) == 1
    assert desk.session._secrets.count(TOKEN) == 1


@pytest.mark.parametrize("change", [lambda text: text + "\n", lambda text: "토큰", lambda _: "", lambda _: 5])
def test_a_kept_token_that_can_not_be_sent_is_not_used(desk: Desk, change: Callable[[str], object]) -> None:
    desk.session._token_file.parent.mkdir(exist_ok=True)
    desk.session._token_file.write_text(json.dumps({"text": change("KEPT")}))
    assert desk.session._bearer() == TOKEN
