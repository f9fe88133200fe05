"""How often what goes wrong: three levels, one seeded stream per concern, and a count of every hit."""

from collections import Counter
from random import Random

import msgspec


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """Probabilities per event, durations in seconds (reliability.md 2.7)."""

    # orders on their way
    lost_request: float = 0.0
    lost_reply: float = 0.0
    late_accept: float = 0.0
    late_accept_s: tuple[float, float] = (5.0, 90.0)
    refused: float = 0.0
    late_reject: float = 0.0
    partial: float = 0.0
    stuck: float = 0.0
    lost_cancel: float = 0.0
    lost_cancel_reply: float = 0.0
    hollow_cancel: float = 0.0
    slow_cancel: float = 0.0
    # answers of the broker
    failed_query: float = 0.0
    truncated: float = 0.0
    truncated_unseen: float = 0.0
    duplicated: float = 0.0
    blank: float = 0.0
    list_lag: float = 0.0
    list_lag_s: float = 45.0
    holdings_lag: float = 0.0
    holdings_lag_s: float = 20.0
    spike: float = 0.0
    # once in a story
    crash: float = 0.0
    crashes: int = 2
    never_back: float = 0.0
    hang: float = 0.0
    bus_outage: float = 0.0
    records_outage: float = 0.0
    broker_outage: float = 0.0
    guardian_crash: float = 0.0
    gap: float = 0.0
    halt: float = 0.0
    bust: float = 0.0
    split: float = 0.0
    manual: float = 0.15


MILD = Rates(
    lost_request=0.003,
    lost_reply=0.01,
    late_accept=0.003,
    refused=0.005,
    late_reject=0.005,
    partial=0.1,
    stuck=0.02,
    lost_cancel=0.005,
    lost_cancel_reply=0.01,
    hollow_cancel=0.005,
    slow_cancel=0.02,
    failed_query=0.01,
    truncated=0.002,
    truncated_unseen=0.001,
    duplicated=0.001,
    blank=0.001,
    list_lag=0.1,
    list_lag_s=10.0,
    holdings_lag=0.05,
    holdings_lag_s=5.0,
    spike=0.002,
    crash=0.2,
    crashes=1,
    never_back=0.05,
    hang=0.05,
    bus_outage=0.05,
    records_outage=0.05,
    broker_outage=0.03,
    guardian_crash=0.05,
    gap=0.2,
    halt=0.03,
    bust=0.005,
    split=0.005,
)
STRESS = Rates(
    lost_request=0.04,
    lost_reply=0.07,
    late_accept=0.04,
    refused=0.02,
    late_reject=0.03,
    partial=0.25,
    stuck=0.08,
    lost_cancel=0.05,
    lost_cancel_reply=0.07,
    hollow_cancel=0.05,
    slow_cancel=0.1,
    failed_query=0.05,
    truncated=0.01,
    truncated_unseen=0.005,
    duplicated=0.005,
    blank=0.005,
    list_lag=0.3,
    holdings_lag=0.2,
    spike=0.01,
    crash=0.6,
    crashes=3,
    never_back=0.15,
    hang=0.2,
    bus_outage=0.2,
    records_outage=0.2,
    broker_outage=0.15,
    guardian_crash=0.15,
    gap=0.3,
    halt=0.1,
    bust=0.04,
    split=0.03,
)
TAIL = msgspec.structs.replace(STRESS, late_accept=0.06, late_accept_s=(60.0, 600.0))
CALM = Rates(manual=0.0)
LEVELS = {"mild": MILD, "stress": STRESS, "tail": TAIL, "calm": CALM}


class Faults:
    """Draws accidents. Streams are apart, so that a change in one concern does not reshuffle all others."""

    def __init__(self, seed: int, rates: Rates) -> None:
        self.seed = seed
        self.rates = rates
        self.hits: Counter[str] = Counter()
        self.on = True
        self._streams: dict[str, Random] = {}

    def stream(self, concern: str) -> Random:
        """The random numbers of one concern. (Seeding by text goes through SHA-512, not through `hash`.)"""
        found = self._streams.get(concern)
        if found is None:
            found = self._streams[concern] = Random(f"{self.seed}:{concern}")
        return found

    def roll(self, name: str, concern: str = "broker") -> bool:
        """Whether the accident `name` happens now; the draw is taken also while faults are off."""
        happens = self.stream(concern).random() < getattr(self.rates, name) and self.on
        if happens:
            self.hits[name] += 1
        return happens

    def hit(self, name: str) -> None:
        """Count something that happened without a roll."""
        self.hits[name] += 1
