"""One example or more of every view: `module.function` or `module.function-variant` to what it shows in a language."""

from view_samples import finding, research, results, settings, state, trading
from view_samples.world import Samples, Shown

SAMPLES: Samples = {
    **finding.SAMPLES,
    **trading.SAMPLES,
    **state.SAMPLES,
    **results.SAMPLES,
    **settings.SAMPLES,
    **research.SAMPLES,
}

__all__ = ["SAMPLES", "Shown"]
