"""Faults on request: what the next matching request, order, list or stream shall suffer, and how often it did."""

import itertools
from collections import Counter, deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from types import MappingProxyType


@dataclass(frozen=True)
class Action:
    """What an action takes besides link, match and times. `lasting` ones stay until cleared unless `times` is given."""

    options: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    lasting: bool = False
    # match may name symbol and side; the others go by path and tr_id
    subject: bool = True


def _action(*options: str, needs: Collection[str] = (), lasting: bool = False, subject: bool = True) -> Action:
    return Action(frozenset(options) | frozenset(needs), frozenset(needs), lasting, subject)


# one of these per request
WIRE: Mapping[str, Action] = MappingProxyType(
    {
        "delay": _action("when"),
        "reset": _action(),
        "drop_reply": _action(),
        "error": _action("when", "shape"),
        "html": _action("when"),
        "half_json": _action(),
        "content_type": _action("content_type"),
    }
)
DATE = MappingProxyType({"clock_skew": _action(needs=["seconds"], lasting=True, subject=False)})
ORDERS = MappingProxyType(
    {
        "accept_late": _action("reply", needs=["seconds"]),
        "reject_late": _action(needs=["seconds"]),
        "cancel_late": _action(needs=["seconds"]),
        "fill_after_cancel": _action("qty", needs=["seconds"]),
    }
)
LAGS = MappingProxyType(
    {name: _action(needs=["seconds"], lasting=True) for name in ("orders_late", "fills_late", "holdings_late")}
)
PAGES = MappingProxyType(
    {
        "truncate": _action("rows"),
        "duplicate": _action(),
        "repeat_row": _action(subject=False),
        "endless_pages": _action(subject=False),
        "blank_rows": _action("rows", subject=False),
        "blank_object": _action(subject=False),
    }
)
# at the next connection, login or subscription
ENTRY = ("upgrade_error", "auth_fail", "auth_drop", "auth_timeout", "no_ack", "refuse_topics")
STREAM: Mapping[str, Action] = MappingProxyType(
    {
        **{name: _action(subject=False) for name in (*ENTRY, "close", "abort", "silent", "max_connections")},
        **{name: _action(subject=False) for name in ("slow_consumer", "force_disconnect", "garble")},
        "big_frame": _action("rows", subject=False),
        "delayed": _action(needs=["seconds"], lasting=True, subject=False),
        "paced": _action(lasting=True, subject=False),
    }
)
KIS: Mapping[str, Action] = MappingProxyType({**WIRE, **DATE, **ORDERS, **LAGS, **PAGES})
# "kis" is both hosts; "kis_real" and "kis_paper" are one each
LINKS: Mapping[str, Mapping[str, Action]] = MappingProxyType(
    {"kis": KIS, "kis_real": KIS, "kis_paper": KIS, "polygon": WIRE, "polygon_ws": STREAM}
)
OPTIONS = frozenset({"seconds", "when", "reply", "shape", "content_type", "rows", "qty"})
CHOICES = MappingProxyType(
    {"when": ("before", "after"), "reply": ("given", "lost"), "shape": ("kis", "oauth", "plain")}
)
MATCHES = frozenset({"path_contains", "tr_id", "symbol", "side"})
SIDES = ("buy", "sell")
MAX_FAULTS = 100
MAX_DELAY_S = 300.0
MAX_SECONDS = 7 * 86_400
KEPT = 100


@dataclass
class Fault:
    """`times` counts down, None lasts until cleared. `delay_s` is wall seconds, `seconds` the sandbox clock's."""

    link: str
    action: str
    match: Mapping[str, str] = field(default_factory=dict)
    status: int | None = None
    code: str = ""
    message: str = ""
    delay_s: float = 0.0
    times: int | None = 1
    id: int = 0
    hits: int = 0
    seconds: float = 0.0
    when: str = "before"
    reply: str = "given"
    shape: str = ""
    content_type: str = ""
    rows: int | None = None
    qty: int | None = None

    def meets(self, path: str, tr_id: str) -> bool:
        if self.match.get("path_contains", "") not in path:
            return False
        wanted = self.match.get("tr_id")
        return wanted is None or wanted == tr_id

    def concerns(self, symbol: str, side: str) -> bool:
        """Whether its match leaves this symbol and side ("buy", "sell", or empty where there is none) in."""
        return self.match.get("symbol", symbol) == symbol and self.match.get("side", side) == side

    def shifted(self, instant: datetime) -> datetime:
        return instant + timedelta(seconds=self.seconds)

    @property
    def picky(self) -> bool:
        return bool({"symbol", "side"} & set(self.match))

    def as_dict(self) -> dict[str, object]:
        """Options that its action does not take are left out."""
        taken = LINKS[self.link][self.action].options
        shown = [f.name for f in fields(self) if f.name not in OPTIONS or f.name in taken]
        return {name: getattr(self, name) for name in shown} | {"match": dict(self.match)}


def parse(body: Mapping[str, object]) -> Fault:
    """A fault from the control API's JSON; raises ValueError with what is wrong."""
    link, name = str(body.get("link", "")), str(body.get("action", ""))
    if link not in LINKS:
        raise ValueError(f"link must be one of {', '.join(LINKS)}")
    if name not in LINKS[link]:
        raise ValueError(f"action on {link} must be one of {', '.join(sorted(LINKS[link]))}")
    action = LINKS[link][name]
    unknown = set(body) - set(Fault.__dataclass_fields__) | (set(body) & {"id", "hits"})
    if unknown:
        raise ValueError(f"unknown field {', '.join(sorted(unknown))}")
    strange = (set(body) & OPTIONS) - action.options
    if strange:
        raise ValueError(f"{', '.join(sorted(strange))} does not go with {name}")
    if missing := action.needs - set(body):
        raise ValueError(f"{name} needs {', '.join(sorted(missing))}")
    fault = Fault(link, name, _match(body, link, action), _status(body), times=_times(body, action))
    fault.code, fault.message = str(body.get("code", "")), str(body.get("message", ""))
    fault.delay_s = _number(body, "delay_s", 0, MAX_DELAY_S)
    fault.seconds = _number(body, "seconds", -MAX_SECONDS if name == "clock_skew" else 0, MAX_SECONDS)
    for option, words in CHOICES.items():
        if option in body and body[option] not in words:
            raise ValueError(f"{option} must be {' or '.join(words)}")
        setattr(fault, option, str(body.get(option, getattr(fault, option))))
    fault.content_type = _content_type(body)
    fault.rows, fault.qty = _count(body, "rows", 0), _count(body, "qty", 1)
    return fault


def _match(body: Mapping[str, object], link: str, action: Action) -> dict[str, str]:
    match = body.get("match") or {}
    known = MATCHES if action.subject and link.startswith("kis") else MATCHES - {"symbol", "side"}
    if not isinstance(match, Mapping) or set(match) - known:
        raise ValueError(f"match knows {' and '.join(sorted(known))} here")
    texts = {str(key): str(value) for key, value in match.items()}
    if texts.get("side", "buy") not in SIDES:
        raise ValueError("side must be buy or sell")
    return texts


def _times(body: Mapping[str, object], action: Action) -> int | None:
    times = body.get("times", None if action.lasting else 1)
    if times is not None and (not isinstance(times, int) or isinstance(times, bool) or times < 1):
        raise ValueError("times must be a whole number from 1, or null")
    return times


def _status(body: Mapping[str, object]) -> int | None:
    status = body.get("status")
    if status is not None and (not isinstance(status, int) or not 200 <= status <= 599):
        raise ValueError("status must be an HTTP status")
    return status


def _number(body: Mapping[str, object], name: str, least: float, most: float) -> float:
    value = body.get(name, 0.0)
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"{name} must lie between {least:g} and {most:g}")
    return float(value)


def _count(body: Mapping[str, object], name: str, least: int) -> int | None:
    value = body.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < least):
        raise ValueError(f"{name} must be a whole number from {least}")
    return value


def _content_type(body: Mapping[str, object]) -> str:
    text = body.get("content_type", "text/html; charset=utf-8")
    if not isinstance(text, str) or not text.isascii() or not text.isprintable():
        raise ValueError("content_type must be printable ASCII")
    return text


class Faults:
    """The registry; what uses a fault takes one of its times and is counted, also after the fault is gone."""

    def __init__(self) -> None:
        self._active: list[Fault] = []
        self._ids = itertools.count(1)
        self._spent: deque[Fault] = deque(maxlen=KEPT)
        # "link.action", or a name of the control API's own deeds
        self.hits: Counter[str] = Counter()

    def add(self, fault: Fault) -> Fault:
        if len(self._active) >= MAX_FAULTS:
            raise ValueError(f"at most {MAX_FAULTS} faults at a time")
        fault.id = next(self._ids)
        self._active.append(fault)
        return fault

    def clear(self) -> None:
        self._spent.extend(self._active)
        self._active.clear()

    def remove(self, number: int) -> None:
        """Raises ValueError when no active fault has that number."""
        fault = next((fault for fault in self._active if fault.id == number), None)
        if fault is None:
            raise ValueError(f"no active fault has the number {number}")
        self._active.remove(fault)
        self._spent.append(fault)

    def active(self) -> list[Fault]:
        return list(self._active)

    def spent(self) -> list[Fault]:
        """The last hundred that have ended or were cleared."""
        return list(self._spent)

    def matching(
        self, links: Collection[str], actions: Collection[str], path: str = "", tr_id: str = ""
    ) -> list[Fault]:
        """Those that wait for such a request, whatever the symbol and side; nothing is used up."""
        return [f for f in self._active if f.link in links and f.action in actions and f.meets(path, tr_id)]

    def use(self, fault: Fault) -> None:
        fault.hits += 1
        self.count(f"{fault.link}.{fault.action}")
        if fault.times is None:
            return
        fault.times -= 1
        if fault.times <= 0 and fault in self._active:
            self._active.remove(fault)
            self._spent.append(fault)

    def count(self, name: str, hits: int = 1) -> None:
        self.hits[name] += hits

    def take(
        self,
        links: Collection[str],
        path: str = "",
        tr_id: str = "",
        action: str | Collection[str] | None = None,
        *,
        symbol: str = "",
        side: str = "",
    ) -> Fault | None:
        """The oldest that meets the request, used up by one."""
        actions = {action} if isinstance(action, str) else action
        for fault in self._active:
            wanted = fault.link in links and (actions is None or fault.action in actions)
            if wanted and fault.meets(path, tr_id) and fault.concerns(symbol, side):
                self.use(fault)
                return fault
        return None
