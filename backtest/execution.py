"""What a run assumes about the broker: the assumptions are settings, and every report prints them."""

from typing import Annotated

import msgspec
from msgspec import Meta


class Execution(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Costs and fills. Commission, cash and the exchange rate are the paper account's own settings in config.yaml.

    `half_spread_pct`: how far bid and ask lie from the bar's price. `volume_share_pct`: the most of a bar's volume that
    our orders get, 0 for any. `fx_spread_pct`: what changing won to dollars costs, each way. `approve_after_s`: how long a person
    takes to approve a proposal, negative for never.
    """

    half_spread_pct: Annotated[float, Meta(ge=0.0, le=5.0, title="%")] = 0.05
    volume_share_pct: Annotated[float, Meta(ge=0.0, le=100.0, title="%, 0 = no limit")] = 10.0
    fx_spread_pct: Annotated[float, Meta(ge=0.0, le=5.0, title="%")] = 0.2
    settlement_days: Annotated[int, Meta(ge=0, le=5, title="trading days")] = 1
    approve_after_s: Annotated[int, Meta(ge=-1, le=86_400, title="seconds")] = 0
