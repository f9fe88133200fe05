"""Pictures of messages: what is written on them is in the reader's language."""

from types import SimpleNamespace

import pytest
from bot_samples import EN, KO, NOW, event

from bot.pictures import draw_sale
from core.model.bar import Bar
from core.model.messages import EventKind
from core.model.params import AnalyzerParams, Params

SOLD = {"qty": 7, "sell_price": "121.50", "pnl_krw": "1", "pnl_pct": "1", "reason": "STOP", "avg_price": "120"}


class Charts:
    """Keeps what it was asked to draw."""

    async def render(self, spec):
        self.spec = spec
        return b"png"


BAR = Bar("NVDA", int(NOW.timestamp()) * 1000, 121.5, 121.5, 121.5, 121.5, 1000.0)


@pytest.mark.parametrize(
    ("t", "names", "shown"),
    [
        (KO, {"name": "NVIDIA Corp", "name_ko": "엔비디아"}, "엔비디아"),
        (EN, {"name": "NVIDIA Corp", "name_ko": "엔비디아"}, "NVIDIA Corp"),
        (KO, {"name": "NVIDIA Corp", "name_ko": ""}, "NVIDIA Corp"),
        (EN, {"name": "", "name_ko": "엔비디아"}, "엔비디아"),
    ],
)
async def test_a_sale_names_the_company_in_the_readers_language(t, names, shown):
    charts = Charts()
    deps = SimpleNamespace(charts=charts, params=Params(), calendar=SimpleNamespace(session_on=lambda _: None))
    picture = await draw_sale(deps, event(EventKind.SOLD, **SOLD, **names), [BAR], AnalyzerParams(), t)
    assert picture is not None
    assert charts.spec.name == shown
