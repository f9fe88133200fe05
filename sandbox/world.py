"""One sandbox: the market, the clock, and everything that is served on them."""

from dataclasses import dataclass

from sandbox import kis
from sandbox.clock import SandboxClock
from sandbox.faults import Faults
from sandbox.kis import Host
from sandbox.market import Market
from sandbox.polygon import DEFAULT_KEY, Stream
from sandbox.telegram import DEFAULT_TOKEN, TelegramState
from sandbox.telegram.flood import Flood


@dataclass(frozen=True)
class World:
    """Shared by all listeners of one process."""

    scenario: str
    clock: SandboxClock
    market: Market
    faults: Faults
    polygon_key: str
    stream: Stream
    real: Host
    paper: Host
    telegram: TelegramState
    telegram_token: str

    def host(self, name: str) -> Host:
        """By name, "real" or "paper"; raises KeyError."""
        return {"real": self.real, "paper": self.paper}[name]

    def credentials(self) -> dict[str, object]:
        def keys(host: Host) -> dict[str, str]:
            own = host.credentials
            return {"appkey": own.appkey, "appsecret": own.appsecret, "account": own.account, "hts_id": own.hts_id}

        return {
            "polygon_key": self.polygon_key,
            "kis": keys(self.real),
            "kis_paper": keys(self.paper),
            "telegram_token": self.telegram_token,
        }


def create_world(
    market: Market,
    clock: SandboxClock,
    *,
    scenario: str = "story",
    polygon_key: str = DEFAULT_KEY,
    telegram_token: str = DEFAULT_TOKEN,
    revise_every: int = 0,
    partial: bool = True,
) -> World:
    """`partial`: orders share a tenth of a minute's volume; otherwise any size fills at once."""
    faults = Faults()
    share = 0.1 if partial else None
    return World(
        scenario,
        clock,
        market,
        faults,
        polygon_key,
        Stream(market, clock, faults, polygon_key, revise_every=revise_every),
        kis.create_host(market, clock, paper=False, share=share),
        kis.create_host(market, clock, paper=True, share=share),
        TelegramState(clock, telegram_token, flood=Flood(clock)),
        telegram_token,
    )
