"""Signs of life of trader and guardian, read from the files they leave: the bus may be down when they matter."""

import asyncio
import enum
import json
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import msgspec

MOST_BYTES = 65_536
TRUE = frozenset({"true", "yes", "1"})


class Guard(enum.StrEnum):
    """Who guards the stops."""

    TRADER = "trader"
    GUARDIAN = "guardian"
    GUARDIAN_KEEPS = "guardian_keeps"
    TRADER_ALONE = "trader_alone"
    NOT_TAKEN = "not_taken"
    NOBODY = "nobody"


class Beats(msgspec.Struct, frozen=True, kw_only=True):
    """Ages in real seconds, None where there is no such file; the rest is what the guardian and the trader say.

    `keeps`: the guardian will not give the watch back by itself. `standby`: the trader lives and waits for the watch.
    """

    trader_age_s: float | None = None
    guardian_age_s: float | None = None
    in_charge: bool = False
    keeps: bool = False
    standby: bool = False
    guardian_mb: float | None = None


def file_beats(
    state_dir: Path,
    *,
    monotonic: Callable[[], float] = time.monotonic,
    wall: Callable[[], float] = time.time,
) -> Callable[[], Awaitable[Beats]]:
    """A reader of `beats/trader` and `beats/guardian` in the state directory; it never raises for what is in them."""
    folder = state_dir / "beats"

    def read() -> Beats:
        trader, trader_age_s = _beat(folder / "trader", monotonic(), wall())
        guardian, guardian_age_s = _beat(folder / "guardian", monotonic(), wall())
        return Beats(
            trader_age_s=trader_age_s,
            guardian_age_s=guardian_age_s,
            in_charge=_flag(guardian, "in_charge"),
            keeps=_flag(guardian, "keeps"),
            standby=_flag(trader, "standby"),
            guardian_mb=_megabytes(guardian),
        )

    async def beats() -> Beats:
        return await asyncio.to_thread(read)

    return beats


def _flag(fields: Mapping[str, object], key: str) -> bool:
    return str(fields.get(key, "")).lower() in TRUE


def _megabytes(fields: Mapping[str, object]) -> float | None:
    try:
        size = float(str(fields.get("pss_mb", "")))
    except ValueError:
        return None
    return size if math.isfinite(size) else None


def _beat(path: Path, mono: float, wall: float) -> tuple[Mapping[str, object], float | None]:
    """The fields of a beat and its age: by the monotonic clock where it has one, else by the file's date."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES)
        written = path.stat().st_mtime
    except OSError:
        return {}, None
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    fields = found if isinstance(found, dict) else {}
    try:
        beaten = float(fields.get("mono", math.nan))
    except (TypeError, ValueError, OverflowError):
        beaten = math.nan
    if math.isfinite(beaten):
        # a beat from the future is one from before the machine started again
        return fields, mono - beaten if beaten <= mono else math.inf
    return fields, max(0.0, wall - written)
