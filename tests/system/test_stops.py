"""A position falls through its stop while something is broken: sold once, in time, and booked."""

import asyncio
from pathlib import Path

import pytest

from benchmarks.postgres import PostgresMissing
from benchmarks.stop_faults import FAULTS, GUARDIAN, TRADER
from benchmarks.stop_runs import Run, play
from benchmarks.stop_world import StopWorld
from benchmarks.stops import main, prepared, row

POSITIONS = 5
# the benchmark plays all cases, twenty times each; here those that hold the most
LIVING = ["redis-stop", "postgres-stop", "all-kill", "all-stop"]
# each costs the guardian's fifteen seconds of patience
DYING = ["trader-kill", "trader-stop", "trader-gone"]


async def play_all(folder: Path, cases: list[str]) -> dict[str, Run]:
    async with StopWorld(folder, positions=POSITIONS) as world:
        return {case: await play(world, FAULTS[case], await prepared(world)) for case in cases}


def played(folder: Path, cases: list[str]) -> dict[str, Run]:
    try:
        return asyncio.run(play_all(folder, cases))
    except PostgresMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Everything around the trader breaks, one after the other."""
    return played(tmp_path_factory.mktemp("stops"), LIVING)


@pytest.fixture(scope="module")
def dying(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """The trader itself dies or hangs."""
    return played(tmp_path_factory.mktemp("stops"), DYING)


WORLDS = [
    *(pytest.param("living", case, marks=pytest.mark.xdist_group("stops-living")) for case in LIVING),
    *(pytest.param("dying", case, marks=pytest.mark.xdist_group("stops-dying")) for case in DYING),
]


@pytest.mark.parametrize(("world", "case"), WORLDS)
def test_a_position_that_falls_through_its_stop_is_sold_once_and_in_time(
    world: str, case: str, request: pytest.FixtureRequest
) -> None:
    """Exactly the protected shares, within the promise, and broker, journal and database agree afterwards."""
    run: Run = request.getfixturevalue(world)[case]
    assert run.troubles == []
    assert run.seconds is not None
    assert run.seconds <= FAULTS[case].limit_s


def measured(seconds: float | None, *troubles: str, by: str = TRADER) -> Run:
    return Run(ticker="AAAA", qty=3, seconds=seconds, by=by, troubles=list(troubles))


def test_percentiles_are_values_that_were_measured() -> None:
    """By nearest rank, so that nothing is interpolated away: the slowest of twenty is their p99."""
    figures = row(FAULTS["none"], [measured(float(n)) for n in (4, 1, 3, 2, *range(5, 9), *[9] * 12)])
    assert (figures.p50, figures.p99, figures.max, figures.runs) == (9.0, 9.0, 9.0, 20)
    figures = row(FAULTS["none"], [measured(n / 100) for n in range(1, 201)])
    assert (figures.p50, figures.p99, figures.max) == (1.0, 1.98, 2.0)


@pytest.mark.parametrize(
    ("runs", "kept"),
    [
        ([measured(9.9), measured(10.0)], True),
        ([measured(9.9), measured(10.01)], False),
        ([measured(1.0), measured(None, "no sale within 90 s")], False),
        ([measured(1.0), measured(1.0, "sold beside it: ['BBBB']")], False),
        ([measured(None)], False),
    ],
)
def test_one_late_or_wrong_sale_breaks_the_promise(runs: list[Run], kept: bool) -> None:
    assert row(FAULTS["none"], runs).ok is kept


def test_who_sold_is_counted() -> None:
    runs = [measured(4.0), measured(16.0, by=GUARDIAN), measured(17.0, by=GUARDIAN)]
    assert row(FAULTS["trader-stop"], runs).by == {GUARDIAN: 2, TRADER: 1}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--runs", "0"], "--runs: 0 is out of bounds (1 to 1000)"),
        (["--positions", "25"], "--positions: 25 is out of bounds (1 to 24)"),
    ],
)
def test_bad_input_is_told_before_anything_starts(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["stops", *arguments])
    assert main() == 2
    assert said in capsys.readouterr().err


def test_a_measurement_goes_on_only_with_the_positions_that_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Figures of different loads in one table would mean nothing."""
    results = tmp_path / "results.json"
    results.write_text('{"machine": {}, "positions": 24}')
    # named, because a default that came to be 24 too would measure for hours
    monkeypatch.setattr("sys.argv", ["stops", "--positions", "20", "--results", str(results)])
    assert main() == 2
    assert "was measured with 24 positions; name another file" in capsys.readouterr().err
