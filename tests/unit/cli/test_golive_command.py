"""`./seohak go-live`: refuses with what to do, sends nothing untyped, and opens the real account as the last step."""

import asyncio
import builtins
import datetime as dt
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from adapters.db.chat import SqlChatStore
from adapters.db.engine import open_engine, upgrade
from adapters.db.records import SqlRecordStore
from adapters.journal import SqliteJournal
from cli import __main__ as main
from cli import golive, golive_checks
from cli.live_check import Report, Step, Stopped
from config import golive as door
from config.params import ConfigError, load_params
from config.secondfactor import write_secret
from core.model.journal import Emit, PutPosition
from core.model.messages import Event, EventKind
from ports.store import DailyReport, Override
from services import venues
from services.fence import hold_alone
from services.venues import PriceBoard, open_broker
from tests.integration.test_stores import trip
from tests.unit.core.builders import NOON, position

ROOT = Path(__file__).resolve().parents[3]
KEYS = {"KIS_HTS_ID": "me", "KIS_ACCOUNT": "12345678-01", "KIS_APPKEY": "k" * 36, "KIS_APPSECRET": "s" * 180}
MINE = door.fingerprint(KEYS["KIS_ACCOUNT"], KEYS["KIS_APPKEY"])
HOST = "https://openapi.koreainvestment.com:9443"


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with ten days of reports and a round trip, up to now."""
    path = tmp_path_factory.mktemp("lived") / "seohak.db"
    url = f"sqlite:///{path}"
    upgrade(url)
    now = dt.datetime.now(dt.UTC)

    async def live() -> None:
        engine = open_engine(url)
        records = SqlRecordStore(engine)
        for n in range(1, 11):
            zero = Decimal(0)
            on = now.date() - dt.timedelta(days=n)
            await records.put_report(DailyReport(on=on, total_trades=1, total_pnl=zero, win_rate=zero, details={}))
        closed_at = now - dt.timedelta(days=1)
        await records.add_round_trip("t", msgspec.structs.replace(trip(1), opened_at=closed_at, closed_at=closed_at))
        await engine.dispose()

    asyncio.run(live())
    return path


class Install:
    """An installation that is ready, and what the person types."""

    def __init__(self, folder: Path, lived: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.state, self.monkeypatch = folder, folder / "state", monkeypatch
        self.config = folder / "config.yaml"
        self.state.mkdir()
        shutil.copy(lived, self.state / "seohak.db")
        shutil.copy(ROOT / "config.yaml", self.config)
        shutil.copy(ROOT / "caps.example.toml", folder / "caps.toml")
        write_secret(self.state, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
        (self.state / "backups").mkdir()
        (self.state / "backups" / "seohak-20261129-000000.tar.gz").write_bytes(b"x")
        self.env = {**KEYS, "SEOHAK_STATE_DIR": str(self.state), "SEOHAK_CONFIG": str(self.config)}
        monkeypatch.setattr(golive.environment, "environment", lambda: self.env)
        monkeypatch.setattr(golive_checks, "drill", lambda: {"ok": True, "seconds": 0.1})
        monkeypatch.setattr(golive.logs, "set_up", lambda *_: None)
        monkeypatch.setattr(main, "COMMANDS", {k: v for k, v in main.COMMANDS.items() if k != "doctor"})
        self.types()

    def types(self, *answers: str) -> None:
        left = list(answers)

        def answer(_question: str = "") -> str:
            if not left:
                raise EOFError
            return left.pop(0)

        self.monkeypatch.setattr(builtins, "input", answer)

    def checked(self, **changes: object) -> Path:
        """A one-share check that was passed an hour ago."""
        now = dt.datetime.now(dt.UTC)
        fields = {
            "account": MINE,
            "ticker": "F",
            "began_at": now - dt.timedelta(hours=1),
            "host": HOST,
            "finished": True,
        }
        path = self.state / "go-live" / "check-20261129-150000.json"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(msgspec.json.encode(Report(**{**fields, **changes})))  # type: ignore[arg-type]
        return path

    def run(self, *arguments: str) -> int:
        return main.main(["go-live", *arguments])

    @property
    def venue(self) -> str:
        return load_params(self.config).trading.venue


@pytest.fixture
def install(tmp_path: Path, lived: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    return Install(tmp_path, lived, monkeypatch)


def journal_with(*changes: object) -> Callable[[Install], None]:
    def write(install: Install) -> None:
        journal = SqliteJournal(install.state / "journal.db")
        journal.commit(changes)  # type: ignore[arg-type]
        journal.close()

    return write


def replaced(old: str, new: str) -> Callable[[Install], None]:
    return lambda i: i.config.write_text(i.config.read_text().replace(old, new)) and None


def set_in_chat(install: Install) -> None:
    async def put() -> None:
        engine = open_engine(f"sqlite:///{install.state}/seohak.db")
        await SqlChatStore(engine).put_override(
            Override(key="trading.mode", old="approve", new="auto", by="7", at=NOON)
        )
        await engine.dispose()

    asyncio.run(put())


MISSING: dict[str, tuple[Callable[[Install], object], str]] = {
    "auto": (replaced("mode: approve", "mode: auto"), "/mode approve"),
    "auto_by_chat": (set_in_chat, "/mode approve"),
    "line": (replaced("  venue: paper", "  # venue: paper"), "write 'venue: kis_real'"),
    "keys": (lambda i: i.env.pop("KIS_APPSECRET"), "KIS_APPSECRET is missing"),
    "no_caps": (lambda i: (i.folder / "caps.toml").unlink(), "caps.example.toml"),
    "few_caps": (lambda i: (i.folder / "caps.toml").write_text("max_positions = 3\n"), "missing: max_order_krw"),
    "no_totp": (lambda i: (i.state / "totp").unlink(), "./seohak totp enrol"),
    "open_totp": (lambda i: (i.state / "totp").chmod(0o644), "chmod 600"),
    "drill": (
        lambda i: i.monkeypatch.setattr(golive_checks, "drill", lambda: {"ok": False, "seconds": 1}),
        "guardian --drill",
    ),
    "no_backup": (lambda i: shutil.rmtree(i.state / "backups"), "./seohak backup"),
    "old_backup": (lambda i: os.utime(next((i.state / "backups").iterdir()), (0, 0)), "./seohak backup"),
    "no_days": (lambda i: i.env.update(DATABASE_URL=f"sqlite:///{i.state}/none.db"), "db upgrade"),
    "position": (journal_with(PutPosition(position())), "left over: position 1"),
    "outbox": (journal_with(Emit(Event(id="e", kind=EventKind.PAUSED, at=NOON))), "left over: outbox 1"),
    "torn_journal": (lambda i: (i.state / "journal.db").write_bytes(b"not a database" * 99), "journal"),
}


@pytest.mark.parametrize("what", MISSING)
def test_what_is_missing_is_named_with_what_to_do_and_nothing_changes(
    what: str, install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install.checked()
    install.types("GO LIVE")
    damage, told = MISSING[what]
    damage(install)
    before = install.config.read_bytes()
    assert install.run() == 1
    shown = capsys.readouterr()
    assert "✗" in shown.out
    assert told in shown.out
    assert "nothing was changed" in shown.err
    assert install.config.read_bytes() == before
    assert not door.opened(install.state, MINE)


def test_too_few_days_are_counted(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    upgrade(f"sqlite:///{install.state}/young.db")
    install.env["DATABASE_URL"] = f"sqlite:///{install.state}/young.db"
    assert install.run("--check") == 1
    assert "0 of 10 paper days, 0 round trips" in capsys.readouterr().out


def test_the_checklist_alone_asks_nothing(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    assert install.run("--check") == 0
    shown = capsys.readouterr()
    assert "✗" not in shown.out
    assert shown.out.count("✓") == 9
    for secret in KEYS.values():
        assert secret not in shown.out or len(secret) < 6


@pytest.mark.parametrize("words", ["GO LIVE", "실계좌로 전환", "  GO   LIVE "])
def test_the_typed_words_open_the_account_and_keep_the_old_journal(
    install: Install, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    report = install.checked()
    SqliteJournal(install.state / "journal.db").close()
    (install.state / "protect.json").write_text("{}")
    install.types(words)
    assert install.run() == 0
    assert install.venue == "kis_real"
    assert door.opened(install.state, MINE)
    assert report.name in (install.state / "go-live" / "opened.json").read_text()
    (kept,) = (install.state / "go-live").glob("before-*")
    assert {"journal.db", "protect.json"} <= {p.name for p in kept.iterdir()}
    assert not list(install.state.glob("journal.db*"))
    out = capsys.readouterr().out
    assert "••••78-01" in out
    assert "12345678" not in out
    assert install.run() == 1, "it is open already"


@pytest.mark.parametrize("words", ["go live", "yes", ""])
def test_other_words_change_nothing(install: Install, words: str) -> None:
    install.checked()
    install.types(words)
    assert install.run() == 1
    assert (install.venue, door.opened(install.state, MINE)) == ("paper", False)


def test_without_a_terminal_nothing_changes(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install.checked()
    assert install.run() == 1
    assert "run it in a terminal" in capsys.readouterr().err
    assert install.venue == "paper"


def test_while_the_trader_runs_nothing_changes(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install.checked()
    install.types("GO LIVE")
    held = hold_alone(install.state, "trader")
    assert held is not None
    with held:
        assert install.run() == 1
    assert "./seohak down" in capsys.readouterr().err
    assert install.venue == "paper"


def test_a_switch_that_fails_leaves_the_door_closed(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install.checked()
    install.types("GO LIVE")

    def refuse(*_: object) -> None:
        raise ConfigError("read-only")

    monkeypatch.setattr(golive, "set_value", refuse)
    assert install.run() == 2
    assert (install.venue, door.opened(install.state, MINE)) == ("paper", False)


OTHERS: dict[str, dict[str, object]] = {
    "other_account": {"account": "f" * 16},
    "old": {"began_at": NOON.replace(year=2020)},
    "unfinished": {"finished": False},
    "problems": {"problems": ["oversell"]},
    "sandbox": {"host": "http://127.0.0.1:9"},
}


@pytest.mark.parametrize("what", OTHERS)
def test_another_check_does_not_count(install: Install, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    install.checked(**OTHERS[what])
    install.types("GO LIVE")
    assert install.run() == 2
    assert "--ticker" in capsys.readouterr().err
    assert install.venue == "paper"


class Phases:
    """A calendar in one phase."""

    def __init__(self, phase: object) -> None:
        self._phase = phase

    def current_or_next(self, _at: dt.datetime) -> "Phases":
        return self

    def phase(self, _at: dt.datetime) -> object:
        return self._phase


@pytest.mark.parametrize("phase", [p for p in golive.Phase if p is not golive.Phase.REGULAR])
def test_the_check_waits_for_the_open_market(
    install: Install, phase: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(golive, "load_calendar", lambda *_: Phases(phase))
    assert install.run("--ticker", "F") == 2
    assert "only while the US market is open" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("steps", "problems", "stopped", "code", "told"),
    [
        (["look", "buy_sending", "gone"], [], "", 0, ""),
        (["look", "buy_sending", "held"], [], "lost", 1, "one share may still be in the account"),
        (["look"], [], "refused", 1, "refused"),
        (["look", "buy_sending", "gone"], ["took too much"], "", 1, "took too much"),
    ],
)
def test_the_one_share_check_decides(
    install: Install,
    steps: list[str],
    problems: list[str],
    stopped: str,
    code: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    closed: list[bool] = []

    class Checked:
        def __init__(self, _broker: object, _clock: object, report: Report, _exchange: object, **given: object) -> None:
            self.report, self.save = report, given["save"]

        async def run(self) -> None:
            self.report.steps = [Step(name=name, at=NOON) for name in steps]
            self.report.problems, self.report.finished = problems, not stopped
            self.save()  # type: ignore[operator]
            if stopped:
                raise Stopped(stopped)

    async def close() -> None:
        closed.append(True)

    monkeypatch.setattr(golive, "LiveCheck", Checked)
    monkeypatch.setattr(golive, "kis_broker", lambda *_: SimpleNamespace(close=close))
    monkeypatch.setattr(golive, "load_calendar", lambda *_: Phases(golive.Phase.REGULAR))
    install.types("GO LIVE")
    assert install.run("--ticker", "f", "--exchange", "NYSE") == code
    assert closed == [True]
    (report,) = (install.state / "go-live").glob("check-*.json")
    assert report.stat().st_mode & 0o777 == 0o600
    assert json.loads(report.read_text())["ticker"] == "F"
    assert told in capsys.readouterr().err
    assert install.venue == ("kis_real" if code == 0 else "paper")


DOCTORS = {
    "well": ('{"errors": 0, "checks": [{"level": "warning", "text": "w"}]}', 0, True, "no errors"),
    "ill": ('{"errors": 1, "checks": [{"level": "error", "text": "no disk"}]}', 1, False, "no disk"),
    "torn": ("Traceback", 1, False, "did not finish"),
    "odd": ('{"errors": 0, "checks": []}', 1, False, "errors"),
}


@pytest.mark.parametrize("what", DOCTORS)
def test_the_doctor_is_asked_where_there_is_one(install: Install, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    printed, code, ok, text = DOCTORS[what]
    asked: list[list[str]] = []

    def ask(argv: list[str], **_: object) -> object:
        asked.append(argv)
        return SimpleNamespace(stdout=printed.encode(), returncode=code)

    monkeypatch.setattr(subprocess, "run", ask)
    world = golive_checks.world_of(install.env, dt.datetime.now(dt.UTC), frozenset({"doctor"}))
    found = golive_checks.doctor(world)
    assert (found.ok, asked[0][-2:]) == (ok, ["doctor", "--json"])
    assert text in found.text
    without = golive_checks.world_of(install.env, dt.datetime.now(dt.UTC), frozenset())
    assert golive_checks.doctor(without).ok is None


@pytest.mark.parametrize(
    ("url", "open_for", "allowed"),
    [
        ("", "", False),
        ("", "f" * 16, False),
        ("", MINE, True),
        ("http://127.0.0.1:9", "", True),
        ("http://127.0.0.1.evil.example:9", "", False),
    ],
)
def test_the_trader_takes_the_real_account_only_through_the_open_door(
    install: Install, url: str, open_for: str, allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    install.config.write_text("trading:\n  venue: kis_real\n")
    if url:
        install.env["KIS_BASE_URL"] = url
    if open_for:
        door.open_door(install.state, door.Opened(account=open_for, at="", report=""))
    monkeypatch.setattr(venues, "kis_broker", lambda *_: "broker")
    world = golive_checks.world_of(install.env, NOON, frozenset())
    noted: dict[str, object] = {}
    runtime = SimpleNamespace(
        params=world.params, settings=world.settings, env=install.env, clock=None, note=lambda **kw: noted.update(kw)
    )
    if allowed:
        assert open_broker(runtime, PriceBoard(), None) == "broker"  # type: ignore[arg-type,comparison-overlap]
        assert noted == {"rate_per_s": 15.0}
    else:
        with pytest.raises(ConfigError, match="go-live"):
            open_broker(runtime, PriceBoard(), None)  # type: ignore[arg-type]
