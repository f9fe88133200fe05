"""The guardian: watches the trader and sells at the stop when it is dead or hung. Standard library only; never buys."""

import datetime as dt
import hashlib
import hmac
import json
import logging
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from services.guardian_broker import Access, GuardianBroker, GuardianTrouble

log = logging.getLogger("guardian")
HUNG_AFTER_S = 15.0
ROUND_S = 2.0
OBSERVATIONS = 2
STEP_PATIENCE_S = 10.0
LADDER_PCT = (Decimal("0.5"), Decimal(1), Decimal(2), Decimal(4), Decimal(7), Decimal(10))


@dataclass(frozen=True)
class Protected:
    """One line of protect.json."""

    ticker: str
    exchange: str
    qty: int
    stop_price: Decimal


@dataclass
class Watch:
    """What the guardian knows of one protected ticker; `floor` shares are the owner's own and stay."""

    floor: int
    below: int = 0
    step: int = 0
    odno: str = ""
    sent_at: float = float("-inf")


def read_protection(state_dir: Path) -> tuple[str, list[Protected]]:
    """Venue and positions of protect.json, else of its previous version; empty when neither is genuine."""
    try:
        key = (state_dir / "protect.key").read_bytes()
    except OSError:
        return "", []
    for name in ("protect.json", "protect.previous.json"):
        try:
            body, digest, _ = (state_dir / name).read_bytes().split(b"\n")
        except (OSError, ValueError):
            continue
        if not hmac.compare_digest(hmac.new(key, body, hashlib.sha256).hexdigest().encode(), digest):
            log.error("%s does not carry our signature; it is ignored", name)
            continue
        document = json.loads(body)
        rows = [
            Protected(p["ticker"], p["exchange"], int(p["qty"]), Decimal(p["stop_price"]))
            for p in document["positions"]
        ]
        return document["venue"], rows
    return "", []


def heartbeat_age_s(state_dir: Path) -> float:
    """Seconds since the trader's last heartbeat; infinite when there is none."""
    try:
        return max(0.0, time.time() - (state_dir / "beats" / "trader").stat().st_mtime)
    except OSError:
        return float("inf")


def us_date() -> str:
    """The New York date as KIS writes it, on the sandbox's scaled clock where there is one."""
    now = dt.datetime.now(dt.UTC)
    if origin := os.environ.get("SEOHAK_CLOCK_ORIGIN"):
        elapsed = time.time() - float(os.environ["SEOHAK_CLOCK_STARTED"])
        speed = float(os.environ.get("SEOHAK_CLOCK_SPEED", "1"))
        now = dt.datetime.fromisoformat(origin) + dt.timedelta(seconds=elapsed * speed)
    return now.astimezone(ZoneInfo("America/New_York")).strftime("%Y%m%d")


def floors(state_dir: Path) -> dict[str, int]:
    """The owner's own shares by ticker, as recorded since the last takeover."""
    found: dict[str, int] = {}
    try:
        lines = (state_dir / "guardian.ndjson").read_bytes().splitlines()
    except OSError:
        return found
    for line in lines:
        try:
            fields = json.loads(line)
        except ValueError:
            continue
        if fields.get("event") == "watching":
            found[fields["ticker"]] = int(fields["floor"])
        elif fields.get("event") == "handed_back":
            found.clear()
    return found


def sell_limit(last: Decimal, step: int) -> str:
    """A marketable limit on KIS's grid: two decimals from one dollar up, four below."""
    wanted = last * (1 - LADDER_PCT[min(step, len(LADDER_PCT) - 1)] / 100)
    grid = Decimal("0.01") if wanted >= 1 else Decimal("0.0001")
    return str(max(wanted.quantize(grid, rounding=ROUND_FLOOR), grid))


@dataclass
class Guardian:
    """One round at a time; state between rounds is only what speeds up the next one."""

    state_dir: Path
    broker: GuardianBroker | None
    in_charge: bool = False
    watches: dict[str, Watch] = field(default_factory=dict)

    def round(self) -> None:
        """Look at the heartbeat; in charge, watch every protected ticker."""
        venue, protected = read_protection(self.state_dir)
        age = heartbeat_age_s(self.state_dir)
        self._beat(age, len(protected))
        if age <= HUNG_AFTER_S or not protected:
            if self.in_charge:
                self.in_charge = False
                self.watches.clear()
                self._record(event="handed_back")
            return
        if self.broker is None or venue == "paper":
            return
        if not self.in_charge:
            self.in_charge = True
            self._kill_trader()
            self._record(event="took_over", heartbeat_age_s=round(age, 1), positions=len(protected))
        for row in protected:
            try:
                self._guard(self.broker, row)
            except GuardianTrouble as trouble:
                log.warning("%s: %s", row.ticker, trouble)

    def _guard(self, broker: GuardianBroker, row: Protected) -> None:
        """Sell when the price was at or under the stop twice in a row; then climb down until the shares are gone."""
        held, free = broker.shares(row.exchange).get(row.ticker, (0, 0))
        watch = self.watches.get(row.ticker) or self._watch(row, held)
        last = Decimal(str(broker.price(row.ticker, row.exchange)))
        watch.below = watch.below + 1 if last <= row.stop_price else 0
        if watch.below < OBSERVATIONS and not watch.odno:
            return
        wanted = min(row.qty, free - watch.floor)
        if wanted > 0:
            limit = sell_limit(last, watch.step)
            # written before it is sent, so that the trader will know of it whatever happens
            self._record(event="selling", ticker=row.ticker, qty=wanted, limit=limit)
            watch.odno = broker.sell(row.ticker, row.exchange, wanted, limit)
            watch.sent_at = time.monotonic()
            sale = {"ticker": row.ticker, "qty": wanted, "limit": limit, "ord_dt": us_date(), "odno": watch.odno}
            self._record(event="sold", **sale)
        elif held > watch.floor and time.monotonic() - watch.sent_at > STEP_PATIENCE_S:
            # our shares are bound by an order that does not fill: ours, the trader's, or one whose answer was lost
            watch.step += 1 if watch.odno else 0
            watch.sent_at = time.monotonic()
            for odno in broker.open_sells(row.ticker):
                broker.cancel(row.ticker, row.exchange, odno)

    def _watch(self, row: Protected, held: int) -> Watch:
        """Begin to watch a ticker. What the account holds beyond ours is remembered, also across our own restart."""
        floor = floors(self.state_dir).get(row.ticker)
        if floor is None:
            floor = max(0, held - row.qty)
            self._record(event="watching", ticker=row.ticker, floor=floor)
        watch = self.watches[row.ticker] = Watch(floor=floor)
        return watch

    def _kill_trader(self) -> None:
        """A hung trader must not wake up and trade beside us."""
        try:
            beat = json.loads((self.state_dir / "beats" / "trader").read_bytes())
            pid = int(beat["pid"])
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError, KeyError):
            return
        if b"services.trader" in command:
            os.kill(pid, signal.SIGKILL)
            self._record(event="killed", pid=pid)

    def _record(self, **fields: object) -> None:
        """Append one line to guardian.ndjson and sync it."""
        fields["wall"] = time.time()
        log.warning("%s", {k: v for k, v in fields.items() if k != "wall"})
        with (self.state_dir / "guardian.ndjson").open("ab") as file:
            file.write(json.dumps(fields).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def _beat(self, age: float, protected: int) -> None:
        path = self.state_dir / "beats" / "guardian"
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".tmp")
        facts = {
            "pid": str(os.getpid()),
            "in_charge": str(self.in_charge),
            "trader_age_s": f"{age:.1f}",
            "protected": str(protected),
        }
        partial.write_text(json.dumps(facts))
        partial.replace(path)


def access_from(env: "os._Environ[str] | dict[str, str]") -> Access | None:
    """The broker of the environment, or None where no keys are given (the paper venue)."""
    paper = not env.get("KIS_APPKEY") or env.get("SEOHAK_VENUE") == "kis_virtual"
    prefix = "KIS_VIRTUAL_" if paper else "KIS_"
    if not env.get(f"{prefix}APPKEY"):
        return None
    real = env.get("KIS_BASE_URL", "https://openapi.koreainvestment.com:9443")
    virtual = env.get("KIS_VIRTUAL_BASE_URL", "https://openapivts.koreainvestment.com:29443")
    return Access(
        base_url=virtual if paper else real,
        quote_url=real,
        appkey=env[f"{prefix}APPKEY"],
        appsecret=env[f"{prefix}APPSECRET"],
        account=env[f"{prefix}ACCOUNT"],
        paper=paper,
    )


def main() -> int:
    """Run until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    state_dir = Path(os.environ.get("SEOHAK_STATE_DIR", "state"))
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda n, _: stopping.append(n))
    access = access_from(os.environ)
    guardian = Guardian(state_dir, GuardianBroker(access, state_dir / "tokens") if access else None)
    while not stopping:
        guardian.round()
        time.sleep(ROUND_S)
    return 0


if __name__ == "__main__":
    sys.exit(main())
