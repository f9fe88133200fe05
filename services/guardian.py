"""The guardian: watches the trader and sells at the stop when it is dead, hung or looks away. Standard library only; never buys."""

import contextlib
import json
import logging
import math
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

from services.fence import HANDBACK, OrdersLock, bump_epoch, hold_alone, lock_holder, process_started
from services.guardian_broker import Access, GuardianBroker, GuardianTrouble
from services.guardian_files import Fields, Journal, read_heartbeat, read_protection
from services.guardian_rules import (
    ANSWERED_S,
    HUNG_AFTER_S,
    LOCK_PATIENCE_S,
    NEVER,
    UNWATCHED_AFTER_S,
    Heartbeat,
    Protection,
    keeps_watch,
)
from services.guardian_seller import Seller

log = logging.getLogger("guardian")
ROUND_S, HURRY_S, REPEAT_S = 2.0, 0.2, 60.0
NOTHING = Protection(seq=-1, written_at="", venue="", rows=())


def kill_trader(pid: int) -> None:
    """SIGKILL a process, if it is a trader's. Raises OSError where it is gone or not ours."""
    handle = os.pidfd_open(pid)
    try:
        if b"services.trader" in Path(f"/proc/{pid}/cmdline").read_bytes():
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    finally:
        os.close(handle)


class Guardian:
    """One round at a time. What it must not forget is in its journal, so that it may be killed at any moment."""

    def __init__(
        self,
        state_dir: Path,
        broker: GuardianBroker | None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        kill: Callable[[int], None] = kill_trader,
        grace_s: float = 0.0,
    ) -> None:
        """`kill` ends the trader's process; a trader that starts beside us has `grace_s` to show itself."""
        self._state_dir, self._broker = state_dir, broker
        self._monotonic, self._wall, self._kill_process = monotonic, wall, kill
        self._patient_until = monotonic() + grace_s
        self._journal = Journal(state_dir, wall)
        self._lock = OrdersLock(state_dir, "guardian", monotonic=monotonic)
        self._seller = Seller(self._journal, monotonic, wall, self._complain, self._show)
        self._protection = NOTHING
        self._beat = Heartbeat()
        self._standby_since: float | None = None
        self._first_seen: dict[str, float] = {}
        self._answered: dict[str, float] = {}
        self._said: dict[str, tuple[str, float]] = {}
        self._replaced = (0, "")
        self.epoch = ""
        self.in_charge = False
        self.taking: tuple[str, float] | None = None
        self._resuming, self.keeps = _charge_in(self._journal.events)

    def round(self) -> None:
        """Look at the trader; in charge, watch every protected ticker. Never sleeps, and nothing in the world makes it raise."""
        try:
            self._look()
        except Exception as error:
            self._complain("round", error)
        self._show()

    @property
    def pause_s(self) -> float:
        """How long to wait before the next round."""
        return HURRY_S if self.taking else ROUND_S

    def _look(self) -> None:
        found = read_protection(self._state_dir)
        if found is not None and not found.older_than(self._protection):
            self._protection = found
        self._beat = read_heartbeat(self._state_dir, self._monotonic(), self._wall())
        self._journal.flush()
        if self._broker is None or self._protection.venue == "paper":
            return
        if self.taking is not None:
            self._take()
        elif not self.in_charge:
            self._stand_by(self._broker)
        elif self._handed_back():
            return
        if self.in_charge:
            if not self._lock.held:
                self._lock.take(self.epoch)
            self._seller.serve(self._broker, self._protection.rows)

    # -- when to take over -------------------------------------------------------------------------

    def _stand_by(self, broker: GuardianBroker) -> None:
        if self._resuming:
            self._resuming = False
            # a trader that works has taken the orders while we were away
            if not self._beat.fresh or self._beat.standby:
                self._begin("resumed")
                return
            self._journal.record(event="handed_back", by="trader")
        with contextlib.suppress(OSError):
            (self._state_dir / HANDBACK).unlink(missing_ok=True)
        self._journal.compact_adopted()
        if reason := self._reason(broker):
            self._begin(reason)

    def _reason(self, broker: GuardianBroker) -> str:
        """Why the trader must be replaced now; empty while it does its work or has none."""
        now = self._monotonic()
        if not self._beat.standby:
            self._standby_since = None
        elif self._standby_since is None:
            self._standby_since = now
        if not self._protection.rows and not self._protection.buying:
            return ""
        if not self._beat.fresh:
            return "silent" if now >= self._patient_until else ""
        if self._standby_since is not None and now - self._standby_since > HUNG_AFTER_S:
            return "standby"
        return "neglected" if self._neglected(broker, now) else ""

    def _neglected(self, broker: GuardianBroker, now: float) -> bool:
        """Whether a stop is broken that a beating trader does not look at. Costs no request while it looks at all."""
        broken = False
        for row in self._protection.rows:
            since = self._first_seen.setdefault(row.ticker, now)
            unseen_s = self._beat.unseen_s(row.ticker, since, now)
            if row.hold or unseen_s <= UNWATCHED_AFTER_S:
                self._seller.forget(row.ticker)
                self._answered.pop(row.ticker, None)
                continue
            try:
                below = self._seller.broken(broker, row)
                since = self._answered.setdefault(row.ticker, now)
                broken |= below and now - since >= ANSWERED_S
            except Exception as error:
                self._answered.pop(row.ticker, None)
                self._complain(row.ticker, error)
        return broken

    # -- taking over and handing back --------------------------------------------------------------

    def _begin(self, reason: str) -> None:
        """Fence first, then kill, then take the lock that the kernel has freed."""
        self.taking = (reason, self._monotonic())
        self._replaced = (self._beat.pid, self._beat.started)
        try:
            self.epoch = bump_epoch(self._state_dir, "guardian")
        except OSError as error:
            self._complain("epoch", error)
        self._kill()
        self._take()

    def _kill(self) -> None:
        """End the process of the last heartbeat, else the one that holds the lock, if it is still the same process."""
        holder = lock_holder(self._state_dir)
        found = [] if self._beat.standby else [(self._beat.pid, self._beat.started)]
        taken_at = holder.get("mono")
        recent = isinstance(taken_at, float) and 0 <= self._monotonic() - taken_at <= HUNG_AFTER_S
        if holder.get("who") == "trader" and not recent and isinstance(pid := holder.get("pid"), int):
            found.append((pid, str(holder.get("started"))))
        for pid, started in dict.fromkeys(found):
            present = process_started(pid) if pid > 0 else ""
            if not present or (started and started != present):
                continue
            try:
                self._kill_process(pid)
            except OSError as error:
                self._complain("kill", error)
                continue
            self._journal.record(event="killed", pid=pid)

    def _take(self) -> None:
        assert self.taking is not None
        reason, since = self.taking
        if self._beat.fresh and not self._beat.standby and (self._beat.pid, self._beat.started) != self._replaced:
            # another trader has started in the meantime, has the orders and works
            self.taking = None
            if reason == "resumed":
                self._journal.record(event="handed_back", by="trader")
            return
        locked = self._lock.take(self.epoch)
        if not locked and self._monotonic() - since <= LOCK_PATIENCE_S:
            return
        self._charge(reason, locked=locked)

    def _charge(self, reason: str, *, locked: bool) -> None:
        self.taking, self.in_charge = None, True
        self._seller.begin()
        if reason == "resumed":
            self._journal.record(event="resumed", epoch=self.epoch, locked=locked, keeps=self.keeps)
            return
        self.keeps = keeps_watch(self._takeovers(), self._wall())
        age_s = round(self._beat.age_s, 1) if math.isfinite(self._beat.age_s) else None
        facts = {"epoch": self.epoch, "heartbeat_age_s": age_s, "positions": len(self._protection.rows)}
        self._journal.record(event="took_over", reason=reason, **facts, locked=locked, keeps=self.keeps)

    def _takeovers(self) -> list[float]:
        """When the guardian took over since a person last gave the orders back."""
        found: list[float] = []
        for fields in self._journal.events:
            wall = fields.get("wall")
            if fields["event"] == "took_over" and isinstance(wall, int | float):
                found.append(wall)
            elif fields["event"] == "handed_back" and fields.get("by") == "command":
                found.clear()
        return found

    def _handed_back(self) -> bool:
        """Give the orders back where the trader waits for them, or nothing is left to protect."""
        commanded = (self._state_dir / HANDBACK).exists()
        if not self._protection.rows and not self._protection.buying:
            return self._hand_back("nothing")
        if not self._beat.fresh or (self.keeps and not commanded):
            return False
        if not self._beat.standby and self._beat.fenced:
            # it must not be there: it was killed, and another one would wait in standby
            self._kill()
            return False
        return self._hand_back("command" if commanded else "trader")

    def _hand_back(self, by: str) -> bool:
        self._journal.record(event="handed_back", by=by)
        self.in_charge = self.keeps = False
        self._seller.begin()
        self._first_seen.clear()
        self._lock.release()
        with contextlib.suppress(OSError):
            (self._state_dir / HANDBACK).unlink(missing_ok=True)
        return True

    # -- telling -----------------------------------------------------------------------------------

    def _complain(self, where: str, error: Exception) -> None:
        """Log trouble, the same not more than once a minute. Of a stranger's exception only the kind: its text may hold anything."""
        known = isinstance(error, GuardianTrouble)
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        words = str(error) if known else f"{type(error).__name__} in line {trace.tb_lineno if trace else 0}"
        said, at = self._said.get(where, ("", NEVER))
        if words != said or self._monotonic() - at >= REPEAT_S:
            self._said[where] = (words, self._monotonic())
            log.log(logging.WARNING if known else logging.ERROR, "%s: %s", where, words)

    def _show(self) -> None:
        """Our own heartbeat."""
        path = self._state_dir / "beats" / "guardian"
        facts = {
            "pid": os.getpid(),
            "mono": self._monotonic(),
            "in_charge": self.in_charge,
            "keeps": self.keeps,
            "epoch": self.epoch,
            "trader_age_s": f"{self._beat.age_s:.1f}",
            "protected": len(self._protection.rows),
        }
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(".tmp")
            partial.write_text(json.dumps({name: str(value) for name, value in facts.items()}))
            partial.replace(path)


def _charge_in(events: list[Fields]) -> tuple[bool, bool]:
    """Whether a guardian was in charge when it ended, and whether it was to keep the watch."""
    last: Fields = {}
    for fields in events:
        if fields["event"] in {"took_over", "resumed", "handed_back"}:
            last = fields
    in_charge = last.get("event") in {"took_over", "resumed"}
    return in_charge, in_charge and last.get("keeps") is True


def access_from(env: Mapping[str, str]) -> Access | None:
    """The broker of the environment, or None where no keys are given (the paper venue)."""
    paper = not env.get("KIS_APPKEY") or env.get("SEOHAK_VENUE") == "kis_virtual"
    prefix = "KIS_VIRTUAL_" if paper else "KIS_"
    if not all(env.get(f"{prefix}{name}") for name in ("APPKEY", "APPSECRET", "ACCOUNT")):
        return None
    real = env.get("KIS_BASE_URL", "https://openapi.koreainvestment.com:9443")
    virtual = env.get("KIS_VIRTUAL_BASE_URL", "https://openapivts.koreainvestment.com:29443")
    # a paper key is good for nothing at the real host, prices included
    base_url = virtual if paper else real
    try:
        rate_per_s = max(0.1, float(env.get("KIS_RATE_PER_S", "15")))
    except ValueError:
        rate_per_s = 1.0
    return Access(
        base_url=base_url,
        quote_url=base_url,
        appkey=env[f"{prefix}APPKEY"],
        appsecret=env[f"{prefix}APPSECRET"],
        account=env[f"{prefix}ACCOUNT"],
        paper=paper,
        rate_per_s=rate_per_s,
    )


def _alone(state_dir: Path, stopping: list[int]) -> BinaryIO | None:
    """Wait until no other guardian works here: two would ask the broker for everything twice."""
    while not stopping:
        try:
            held = hold_alone(state_dir, "guardian")
        except OSError as error:
            # better two than none
            log.error("the guardian's lock can't be opened: %s", error.strerror)
            return None
        if held is not None:
            return held
        log.warning("another guardian watches %s; waiting for its end", state_dir)
        time.sleep(ROUND_S)
    return None


def _notify(state: str) -> None:
    """Tell systemd, where it asks: a guardian that finishes no round is killed and started again (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
        if address:
            connection.sendto(state.encode(), "\0" + address[1:] if address[0] == "@" else address)


def main(arguments: list[str]) -> int:
    """Run until SIGTERM; with --drill, rehearse a takeover on a fake broker and report."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if arguments == ["--drill"]:
        from services.guardian_drill import drill

        report = drill()
        sys.stdout.write(json.dumps(report) + "\n")
        return 0 if report["ok"] else 1
    state_dir = Path(os.environ.get("SEOHAK_STATE_DIR", "state"))
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda n, _: stopping.append(n))
    alone = _alone(state_dir, stopping)
    access = access_from(os.environ)
    broker = GuardianBroker(access, state_dir / "tokens") if access else None
    guardian = Guardian(state_dir, broker, grace_s=HUNG_AFTER_S)
    _notify("READY=1")
    while not stopping:
        guardian.round()
        _notify("WATCHDOG=1")
        time.sleep(guardian.pause_s)
    if alone is not None:
        alone.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
