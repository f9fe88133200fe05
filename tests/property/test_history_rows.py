"""Bars kept as plain numbers are the bars that were put, in every order of arrival."""

from hypothesis import given
from hypothesis import strategies as st

from core.model.bar import MINUTE_MS, Bar
from core.rules.history import SLACK, BarRows
from tests.property import plain_bars

STARTS = st.integers(1, 40)
PRICES = st.floats(0.01, 9_999.0)


@st.composite
def arrivals(draw: st.DrawFn) -> list[Bar]:
    """Bars of one ticker, some late, some sent again with other numbers."""
    made = []
    for start in draw(st.lists(STARTS, max_size=80)):
        low, opened, close, high = sorted(draw(st.lists(PRICES, min_size=4, max_size=4)))
        made.append(Bar("A", start * MINUTE_MS, opened, high, low, close, draw(st.sampled_from([0.0, 1.0, 123.5]))))
    return made


@given(arrivals(), st.integers(1, 12), st.integers(0, 41))
def test_rows_are_the_newest_bars_that_were_put(bars: list[Bar], keep: int, upto: int) -> None:
    rows, plain = BarRows("A", keep), list[Bar]()
    for bar in bars:
        newest = not plain or bar.start_ms >= plain[-1].start_ms
        plain_bars.put(plain, bar)
        del plain[: max(0, len(plain) - keep - SLACK)]
        assert rows.put(bar) == newest
        # what is dropped is dropped at once in the rows, one by one in the list
        assert rows.bars() == plain[-keep:][-len(rows.bars()) :]
        assert len(rows.bars()) == min(keep, len(rows))
    shown = rows.columns(upto * MINUTE_MS, keep)
    held = [bar for bar in plain[-len(rows) :] if bar.start_ms <= upto * MINUTE_MS][-keep:] if len(rows) else []
    assert shown.start_ms.tolist() == [bar.start_ms for bar in held]
    for name in ("open", "high", "low", "close", "volume"):
        assert getattr(shown, name).tolist() == [getattr(bar, name) for bar in held]
        assert getattr(shown, name).flags.c_contiguous
