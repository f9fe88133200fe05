"""Candidates in the state directory: each file has one writer, and a broken one costs only itself."""

import datetime as dt
import logging

import msgspec

from adapters.candidates import FOLDER, KEPT, FileCandidates, propose
from core.model.candidate import Candidate, Change, Pair, Shadow, Stage, Stance

PAIR = Pair(inside=2.0, outside=None)
AT = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)


def candidate(number: int = 1, **changes) -> Candidate:
    base = Candidate(
        id=f"{number:012x}",
        made_at=AT + dt.timedelta(minutes=number),
        study="s",
        goal="return",
        data_hash="d",
        first=dt.date(2025, 1, 2),
        last=dt.date(2026, 11, 13),
        trials=100,
        changes=(Change(key="trading.take_profit_pct", old=30.0, new=40.0),),
        base={"scanner.security_types": "CS, ADRC", "schedule.rest_when_closed": True},
        found=PAIR,
        present=PAIR,
        walked=PAIR,
    )
    return msgspec.structs.replace(base, **changes)


async def test_nothing_is_there_at_first(tmp_path):
    assert await FileCandidates(tmp_path).all() == []


async def test_what_was_proposed_is_found_newest_first_and_the_decision_outlives_everything(tmp_path):
    propose(tmp_path, candidate(1))
    propose(tmp_path, candidate(2))
    known = await FileCandidates(tmp_path).all()
    assert known == [(candidate(2), Stance()), (candidate(1), Stance())]
    decided = Stance(stage=Stage.SHADOW, told=True, shadow=Shadow(since=dt.date(2026, 11, 23)))
    await FileCandidates(tmp_path).keep(candidate(1).id, decided)
    # the same search once more is the same candidate, and what was decided stands
    propose(tmp_path, candidate(1))
    assert (await FileCandidates(tmp_path).all())[1] == (candidate(1), decided)
    assert not list((tmp_path / FOLDER).glob("*.new"))


async def test_a_broken_file_is_named_and_left_out(tmp_path, caplog):
    propose(tmp_path, candidate(1))
    (tmp_path / FOLDER / "00000000000f.json").write_text('{"id": "../../etc"}')
    with caplog.at_level(logging.WARNING):
        assert [c.id for c, _ in await FileCandidates(tmp_path).all()] == [candidate(1).id]
    assert "00000000000f.json" in caplog.text


async def test_only_the_newest_are_kept_in_view(tmp_path):
    for number in range(KEPT + 3):
        propose(tmp_path, candidate(number))
    assert len(await FileCandidates(tmp_path).all()) == KEPT
