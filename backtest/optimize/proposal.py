"""What a search found as a candidate that the owners can decide on."""

import datetime as dt
import hashlib

import msgspec

from backtest.optimize.outcome import Outcome, doubts
from backtest.optimize.study import Search
from config.params import settings
from core.model.candidate import Candidate, Change
from core.model.messages import Value
from core.model.params import Params

# settings of the chat and of this machine decide nothing in a backtest
DECIDES = ("scanner", "analyzer", "trading", "schedule")
# who says yes is the trader's own state and not a setting of the chat
BESIDE = frozenset({"trading.mode"})


def proposal(told: Outcome, search: Search, at: dt.datetime) -> Candidate | None:
    """The best candidate of a study, None where it has the present values. The same find has the same id."""
    changes = tuple(
        Change(key=key, old=told.present_values[key], new=value)
        for key, value in told.values.items()
        if value != told.present_values[key]
    )
    if not changes:
        return None
    digest = hashlib.sha256(msgspec.json.encode((told.study, changes))).hexdigest()
    changed = {change.key for change in changes}
    return Candidate(
        id=digest[:12],
        made_at=at,
        study=told.study,
        goal=told.goal,
        data_hash=search.data_hash,
        first=min(fold.train[0] for fold in told.folds),
        last=max((fold.test or fold.train)[1] for fold in told.folds),
        trials=told.complete + told.pruned,
        changes=changes,
        base={key: value for key, value in based_on(search.base).items() if key not in changed},
        found=told.found,
        present=told.present,
        walked=told.walked,
        doubts=tuple(doubts(told)),
    )


def based_on(params: Params) -> dict[str, Value]:
    """Every setting that decides in a backtest, by dotted key; lists as text, as the chat has them."""
    return {key: _value(params, key) for key in settings() if key.split(".")[0] in DECIDES and key not in BESIDE}


def _value(params: Params, key: str) -> Value:
    section, name = key.split(".")
    value = getattr(getattr(params, section), name)
    return value if isinstance(value, str | int | float | bool) else ", ".join(map(str, value))
