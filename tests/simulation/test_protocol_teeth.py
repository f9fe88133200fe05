"""The same accidents break the protocols that others use: a simulation that lets them pass would prove nothing."""

import pytest

from simulation.protocols import KINDS, Schedule

SEEDS = 40


def over_buys(kind: str, level: str = "stress") -> float:
    found = [Schedule(kind, seed, level).play() for seed in range(1, SEEDS + 1)]
    assert not any(o.adopted for o in found), "the media column tells the person's orders"
    return sum(o.over for o in found) / SEEDS


@pytest.mark.parametrize("kind", ["retry", "after send", "failed on exception"])
def test_sending_again_after_a_time_out_over_buys_often(kind: str) -> None:
    assert 0.1 < over_buys(kind) < 0.7


def test_five_misses_over_buy_less_often_but_they_do() -> None:
    assert 0.02 < over_buys("five misses") < over_buys("retry")


@pytest.mark.parametrize("kind", KINDS)
def test_without_accidents_every_protocol_buys_its_budget(kind: str) -> None:
    for seed in range(1, 6):
        outcome = Schedule(kind, seed, "calm").play()
        assert outcome.bought
        assert not outcome.over
        assert not outcome.unwatched
        assert outcome.spent > 0.8
