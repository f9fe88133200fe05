"""The benchmark of /panic measures what it says."""

from benchmarks.panic import LIMIT_S, Sample, measure, report, summary


async def test_a_panic_behind_a_queue_reaches_the_trader_and_the_chat() -> None:
    result = await measure(1, 10)
    assert (result.runs, result.queued) == (1, 10)
    assert 0 < result.median_s <= result.chat_median_s
    assert "/panic at the trader, median of 1" in report(result)


def test_percentiles_by_nearest_rank_and_the_limit() -> None:
    samples = [Sample(trader_s=n / 100, chat_s=1.0, gap_s=n / 1000) for n in range(1, 21)]
    result = summary(samples, 200)
    assert (result.median_s, result.p95_s, result.max_s, result.gap_s) == (0.105, 0.19, 0.2, 0.02)
    assert result.ok
    assert not summary([Sample(trader_s=LIMIT_S, chat_s=1.0, gap_s=0.0)], 200).ok
