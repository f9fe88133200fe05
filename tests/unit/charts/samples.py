"""Seeded bars for the chart tests."""

import struct
from typing import Any

import numpy as np

from charts.spec import ChartBars, ChartSpec

MINUTE = 60_000
OPEN_MS = 1_735_828_200_000


def bars(count: int = 390, price: float = 142.5, step: int = MINUTE, seed: int = 1) -> ChartBars:
    rng = np.random.default_rng(seed)
    close = price * np.exp(np.cumsum(rng.normal(0, 0.002, count)))
    opened = np.concatenate([[price], close[:-1]])
    high = np.maximum(opened, close) * (1 + np.abs(rng.normal(0, 0.001, count)))
    low = np.minimum(opened, close) * (1 - np.abs(rng.normal(0, 0.001, count)))
    times = OPEN_MS + step * np.arange(count, dtype=np.int64)
    return ChartBars(times, opened, high, low, close, rng.lognormal(9, 1, count).round())


def spec(count: int = 390, price: float = 142.5, **more: Any) -> ChartSpec:
    fields: dict[str, Any] = {
        "ticker": "NVDA",
        "name": "엔비디아 · NVIDIA Corp",
        "subtitle": "종목 발굴",
        "timeframe": "1m",
    }
    return ChartSpec(**{**fields, "bars": bars(count, price), **more})


def png_size(png: bytes) -> tuple[int, int]:
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", png[16:24])
    return width, height
