"""The trader dies at every place where it can die, in every phase of an order; nothing is lost or done twice."""

import pytest

from simulation.points import PHASES, Point, enumerate_points, kill_at


def full_story() -> tuple[int, list[Point]]:
    """The first seed whose story goes through all seven phases, with its places."""
    for seed in range(1, 41):
        points, result = enumerate_points(seed)
        if {p.phase for p in points} == set(PHASES) and result.violation is None:
            return seed, points
    raise AssertionError("no story goes through every phase")


SEED, POINTS = full_story()


def test_the_places_are_found_by_watching() -> None:
    """The list is not written by hand: when it shrinks, the watching is broken."""
    places = {p.place for p in POINTS}
    lines = {place for place in places if ".py:" in place}
    assert len(places) >= 40
    assert len(POINTS) >= 100
    assert len(lines) >= 12, "lines where a task waits"
    assert {"place before", "place after", "cancel before", "cancel after"} <= places
    assert {p.phase for p in POINTS} == set(PHASES)


@pytest.mark.parametrize("phase", PHASES)
def test_a_death_at_any_place_loses_nothing(phase: str) -> None:
    for point in (p for p in POINTS if p.phase == phase):
        result, died = kill_at(point, SEED)
        assert died, f"{point} was not reached again: the story is not deterministic"
        assert result.violation is None, f"{point}: {result.violation}"
