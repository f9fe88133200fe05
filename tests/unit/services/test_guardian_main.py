"""How the guardian starts and ends: its folder, its broker, its lock, its signals and its drill."""

import io
import json
import logging
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from services import guardian, guardian_drill
from services.fence import hold_alone
from services.guardian import ROUND_S, access_from
from services.guardian_rules import HUNG_AFTER_S

KEYS = {"KIS_APPKEY": "k", "KIS_APPSECRET": "s", "KIS_ACCOUNT": "12345678-01"}


class Stage:
    """What `main` touches outside of itself: signals, sleep, the guardian and its broker."""

    def __init__(self, rounds: int) -> None:
        self.handlers: dict[int, object] = {}
        self.slept: list[float] = []
        self.made: list[tuple[object, ...]] = []
        self.brokers: list[tuple[object, ...]] = []
        self.log: list[dict[str, object]] = []
        self.rounds, self.done = rounds, 0

    def guardian(self, state_dir: Path, broker: object, *, grace_s: float = 0.0) -> object:
        self.made.append((state_dir, broker, grace_s))
        return SimpleNamespace(round=self.round, pause_s=0.75)

    def broker(self, access: object, folder: Path) -> str:
        self.brokers.append((access, folder))
        return "broker"

    def round(self) -> None:
        self.done += 1
        if self.done == self.rounds:
            self.handlers[signal.SIGTERM](signal.SIGTERM, None)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stage:
    made = Stage(rounds=2)
    numbers = SimpleNamespace(SIGTERM=signal.SIGTERM, SIGINT=signal.SIGINT, signal=made.handlers.__setitem__)
    monkeypatch.setattr(guardian, "signal", numbers)
    monkeypatch.setattr(guardian, "time", SimpleNamespace(sleep=made.sleep))
    monkeypatch.setattr(guardian, "Guardian", made.guardian)
    monkeypatch.setattr(guardian, "GuardianBroker", made.broker)
    monkeypatch.setattr(logging, "basicConfig", lambda **kw: made.log.append(kw))
    for name in (*KEYS, *(f"KIS_VIRTUAL_{n}" for n in ("APPKEY", "APPSECRET", "ACCOUNT")), "SEOHAK_VENUE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SEOHAK_STATE_DIR", str(tmp_path))
    return made


def test_it_goes_round_until_it_is_asked_to_end(stage: Stage, tmp_path: Path) -> None:
    assert guardian.main([]) == 0
    assert stage.done == 2
    assert stage.slept == [0.75, 0.75]
    assert set(stage.handlers) == {signal.SIGTERM, signal.SIGINT}
    assert stage.made == [(tmp_path, None, HUNG_AFTER_S)], "without keys it has no broker"
    assert stage.brokers == []


def test_both_signals_end_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "round", lambda: stage.handlers[signal.SIGINT](signal.SIGINT, None))
    assert guardian.main([]) == 0
    assert stage.slept == [0.75]


def test_its_broker_shares_the_traders_folder_of_tokens(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    guardian.main([])
    ((access, folder),) = stage.brokers
    assert (access.appkey, access.account, folder) == ("k", "12345678-01", tmp_path / "tokens")
    assert stage.made == [(tmp_path, "broker", HUNG_AFTER_S)]


def test_without_a_name_its_folder_is_state(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEOHAK_STATE_DIR")
    monkeypatch.chdir(tmp_path)
    guardian.main([])
    assert stage.made[0][0] == Path("state")


def test_it_is_alone_while_it_runs_and_lets_go_at_its_end(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[object] = []

    def look() -> None:
        taken.append(hold_alone(tmp_path, "guardian"))
        stage.handlers[signal.SIGTERM](signal.SIGTERM, None)

    monkeypatch.setattr(stage, "round", look)
    guardian.main([])
    assert taken == [None]
    free = hold_alone(tmp_path, "guardian")
    assert free is not None
    free.close()


def test_its_log_has_time_level_and_name(stage: Stage) -> None:
    guardian.main([])
    assert stage.log == [{"level": logging.INFO, "format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}]


@pytest.mark.parametrize(("ok", "code"), [(True, 0), (False, 1)])
def test_a_drill_is_reported_on_one_line_and_by_the_exit_code(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, ok: bool, code: int
) -> None:
    report = {"ok": ok, "checks": {"sells": ok}}
    out = io.StringIO()
    monkeypatch.setattr(guardian_drill, "drill", lambda: report)
    monkeypatch.setattr(guardian, "sys", SimpleNamespace(stdout=out))
    assert guardian.main(["--drill"]) == code
    assert out.getvalue() == json.dumps(report) + "\n"
    assert stage.made == [], "a rehearsal watches nothing"


# -- alone -----------------------------------------------------------------------------------------------------------


def test_a_second_guardian_says_so_and_waits_for_the_end_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first = hold_alone(tmp_path, "guardian")
    assert first is not None
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            first.close()

    monkeypatch.setattr(guardian, "time", SimpleNamespace(sleep=sleep))
    held = guardian._alone(tmp_path, [])
    assert held is not None
    assert hold_alone(tmp_path, "guardian") is None
    held.close()
    assert slept == [ROUND_S, ROUND_S]
    assert caplog.messages == [f"another guardian watches {tmp_path}; waiting for its end"] * 2


def test_a_waiting_guardian_ends_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = hold_alone(tmp_path, "guardian")
    assert first is not None
    stopping: list[int] = []
    monkeypatch.setattr(guardian, "time", SimpleNamespace(sleep=lambda _: stopping.append(signal.SIGTERM)))
    assert guardian._alone(tmp_path, stopping) is None
    assert guardian._alone(tmp_path, stopping) is None, "and does not even begin"
    first.close()


def test_a_lock_that_cannot_be_opened_is_told_and_no_reason_to_wait(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "locks").write_text("")
    assert guardian._alone(tmp_path, []) is None
    assert caplog.messages == ["the guardian's lock can't be opened: File exists"]


# -- keys ------------------------------------------------------------------------------------------------------------


def test_the_hosts_are_kis_own_where_none_is_named() -> None:
    real, virtual = access_from(KEYS), access_from({k.replace("KIS_", "KIS_VIRTUAL_"): v for k, v in KEYS.items()})
    assert real is not None
    assert virtual is not None
    assert (real.base_url, real.quote_url, real.paper) == (*["https://openapi.koreainvestment.com:9443"] * 2, False)
    assert (virtual.base_url, virtual.quote_url) == ("https://openapivts.koreainvestment.com:29443",) * 2
    assert virtual.paper


def test_the_hosts_can_be_named() -> None:
    names = {"KIS_BASE_URL": "http://a", "KIS_VIRTUAL_BASE_URL": "http://b"}
    virtual_keys = {k.replace("KIS_", "KIS_VIRTUAL_"): v for k, v in KEYS.items()}
    real, virtual = access_from(KEYS | names), access_from(virtual_keys | names)
    assert real is not None
    assert virtual is not None
    assert (real.base_url, virtual.base_url) == ("http://a", "http://b")


@pytest.mark.parametrize("missing", KEYS)
def test_half_a_set_of_keys_is_none(missing: str) -> None:
    assert access_from({k: v for k, v in KEYS.items() if k != missing}) is None


def test_access_does_not_show_what_it_holds() -> None:
    access = access_from(KEYS)
    assert repr(access) == str(access) == "Access(***)"
