"""The three services on sockets, as `init` and `doctor` meet them, and an installation that is well."""

import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sandbox.clock import SandboxClock
from sandbox.faults import Faults
from sandbox.kis import PAPER, REAL, create_host, create_kis_app
from sandbox.market import Market
from sandbox.polygon import DEFAULT_KEY, Stream, create_polygon_app
from sandbox.telegram import DEFAULT_TOKEN, TelegramState, create_bot_api_app
from tests.contract.serving import listening

# in the regular session of the story's day
ORIGIN = datetime(2026, 11, 18, 19, 45, tzinfo=UTC)
SPEED = 60.0


@dataclass
class Services:
    """Addresses, and what is behind them."""

    telegram: TelegramState
    clock: SandboxClock
    faults: Faults
    addresses: dict[str, str] = field(default_factory=dict)
    hosts: dict = field(default_factory=dict)

    @property
    def variables(self) -> dict[str, str]:
        """Where everything is; no key."""
        return {
            "TELEGRAM_API_URL": self.addresses["telegram"],
            "POLYGON_REST_URL": self.addresses["polygon"],
            "KIS_BASE_URL": self.addresses["kis"],
            "KIS_VIRTUAL_BASE_URL": self.addresses["kis_paper"],
        }

    @property
    def keys(self) -> dict[str, str]:
        """Every key that there is, all of them right."""
        return {
            "TELEGRAM_BOT_TOKEN": DEFAULT_TOKEN,
            "TELEGRAM_OWNER_IDS": "7001",
            "POLYGON_API_KEY": DEFAULT_KEY,
            "KIS_HTS_ID": REAL.hts_id,
            "KIS_ACCOUNT": REAL.account,
            "KIS_APPKEY": REAL.appkey,
            "KIS_APPSECRET": REAL.appsecret,
            "KIS_VIRTUAL_ACCOUNT": PAPER.account,
            "KIS_VIRTUAL_APPKEY": PAPER.appkey,
            "KIS_VIRTUAL_APPSECRET": PAPER.appsecret,
        }

    @property
    def clock_variables(self) -> dict[str, str]:
        """The market's clock, for a process of its own."""
        return {
            "SEOHAK_CLOCK_ORIGIN": self.clock.origin.isoformat(),
            "SEOHAK_CLOCK_STARTED": str(self.clock.started),
            "SEOHAK_CLOCK_SPEED": str(self.clock.speed),
        }


@contextlib.asynccontextmanager
async def serving(market: Market, clock: SandboxClock, *, plan: str = "advanced") -> AsyncIterator[Services]:
    """Every listener, for the length of a test."""
    faults = Faults()
    found = Services(TelegramState(clock, DEFAULT_TOKEN), clock, faults)
    stream = Stream(market, clock, faults, DEFAULT_KEY)
    apps = {
        "telegram": create_bot_api_app(found.telegram),
        "polygon": create_polygon_app(market, clock, faults, stream, plan=plan),
    }
    for name, paper in (("kis", False), ("kis_paper", True)):
        host = found.hosts[name] = create_host(market, clock, paper=paper, share=None)
        apps[name] = create_kis_app(host, faults)
    async with contextlib.AsyncExitStack() as stack:
        for name, app in apps.items():
            found.addresses[name] = "http://" + await stack.enter_async_context(listening(app))
        yield found


@pytest.fixture
async def services(market) -> AsyncIterator[Services]:
    """On a fast clock, which a process of its own can share."""
    async with serving(market, SandboxClock(ORIGIN, time.time(), SPEED)) as found:
        yield found


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A directory with a config.yaml of the project's."""
    root = Path(__file__).resolve().parents[3]
    (tmp_path / "config.yaml").write_text((root / "config.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    return tmp_path
