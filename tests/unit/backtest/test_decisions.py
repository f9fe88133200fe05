"""Which decision differs first."""

import datetime as dt

from backtest.parity import Decision, Decisions, differences

AT = dt.datetime(2026, 11, 18, 15, 0, tzinfo=dt.UTC)


def decided(minute: int, ticker: str = "NVDA", kind: str = "BUY", detail: str = "78.0 %") -> Decision:
    return Decision(at=(AT + dt.timedelta(minutes=minute)).isoformat(), ticker=ticker, kind=kind, detail=detail)


def decisions(*signals: Decision) -> Decisions:
    return Decisions(discoveries=(), signals=signals, proposals=(), exits=())


def test_the_same_decisions_differ_in_nothing() -> None:
    assert differences(decisions(decided(1), decided(2)), decisions(decided(2), decided(1))) == []


def test_the_earliest_difference_comes_first_and_says_who_has_it() -> None:
    found = differences(
        decisions(decided(1), decided(3)), decisions(decided(1, detail="77.9 %"), decided(3), decided(4))
    )
    assert [line.split(": ")[1] for line in found[:2]] == ["backtest only", "live only"]
    assert "15:01" in found[0]
    assert "15:04" in found[-1]
    assert len(found) == 3
