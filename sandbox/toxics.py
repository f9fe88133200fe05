"""Faults of a TCP link by name, with their options, as the control API takes them."""

import itertools
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

UP, DOWN, BOTH = "up", "down", "both"
DIRECTIONS = (UP, DOWN, BOTH)
MAX_DELAY_S = 300.0
MAX_BYTES = 1 << 40


@dataclass(frozen=True)
class Option:
    least: float
    most: float
    whole: bool = False
    # None: it has to be given
    default: float | None = None


@dataclass(frozen=True)
class Kind:
    """`direction` is the default, empty where the whole connection is meant; `times` counts connections."""

    direction: str = ""
    times: bool = False
    options: Mapping[str, Option] = field(default_factory=dict)


_DELAY = Option(0, MAX_DELAY_S)
_PAUSE = Option(0, MAX_DELAY_S, default=0)
_SIZE = Option(1, MAX_BYTES, whole=True)

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "latency": Kind(
            BOTH, options={"delay_s": _DELAY, "jitter_s": _PAUSE, "seed": Option(0, MAX_BYTES, whole=True, default=1)}
        ),
        "bandwidth": Kind(BOTH, options={"bytes_per_s": _SIZE}),
        "hang": Kind(BOTH),
        "reset": Kind(times=True),
        "slow_close": Kind(BOTH, options={"delay_s": _DELAY}),
        "slicer": Kind(BOTH, options={"size": _SIZE, "delay_s": _PAUSE}),
        "limit": Kind(DOWN, times=True, options={"bytes": Option(0, MAX_BYTES, whole=True)}),
        "cut_after_request": Kind(times=True),
        "down": Kind(),
    }
)
_numbers = itertools.count(1)


@dataclass(eq=False)
class Toxic:
    """One fault of one proxy. Delays are wall seconds; `up` is from the client to the server."""

    name: str
    direction: str
    options: Mapping[str, float]
    times: int | None = None
    hits: int = 0
    id: int = field(default_factory=lambda: next(_numbers))

    def __post_init__(self) -> None:
        self._random = random.Random(int(self.options.get("seed", 1)))

    def concerns(self, direction: str) -> bool:
        return self.direction in {"", BOTH, direction}

    def latency_s(self) -> float:
        """The next chunk's, jitter included; the same seed gives the same row of them."""
        jitter = self.options["jitter_s"]
        return max(0.0, self.options["delay_s"] + self._random.uniform(-jitter, jitter))

    def as_dict(self) -> dict[str, object]:
        direction = {"direction": self.direction} if self.direction else {}
        times = {"times": self.times} if KINDS[self.name].times else {}
        return {"toxic": self.name, **direction, **self.options, **times, "hits": self.hits}


def parse(body: Mapping[str, object]) -> Toxic:
    """A toxic from the control API's JSON; raises ValueError with what is wrong."""
    name = str(body.get("toxic", ""))
    if name not in KINDS:
        raise ValueError(f"toxic must be one of {', '.join(KINDS)}")
    kind = KINDS[name]
    known = (
        {"toxic", *kind.options} | ({"direction"} if kind.direction else set()) | ({"times"} if kind.times else set())
    )
    if strange := set(body) - known:
        raise ValueError(f"{', '.join(sorted(strange))} does not go with {name}; it takes {', '.join(sorted(known))}")
    direction = body.get("direction", kind.direction)
    if kind.direction and direction not in DIRECTIONS:
        raise ValueError("direction must be up, down or both")
    times = body.get("times")
    if times is not None and (not isinstance(times, int) or isinstance(times, bool) or times < 1):
        raise ValueError("times must be a whole number from 1, or null")
    options = {option: _value(body, option, rule) for option, rule in kind.options.items()}
    return Toxic(name, str(direction), options, times)


def _value(body: Mapping[str, object], name: str, rule: Option) -> float:
    value = body.get(name, rule.default)
    number = isinstance(value, int) if rule.whole else isinstance(value, int | float)
    if isinstance(value, bool) or not number or not isinstance(value, int | float):
        raise ValueError(f"{name} must be a {'whole ' if rule.whole else ''}number")
    if not rule.least <= value <= rule.most:
        raise ValueError(f"{name} must lie between {rule.least:g} and {rule.most:g}")
    return value
