"""What faults make of the lists: rows that come late, and pages that are cut, doubled, repeated, endless or blank."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sandbox.faults import PAGES, Fault
from sandbox.kis.account import Entry, Holding, holdings_from
from sandbox.kis.engine import Order, State
from sandbox.kis.host import Call, Host
from sandbox.kis.rows import Row

BUY_CODE = "02"


# -- late ------------------------------------------------------------------------------------------


def _standing(host: Host, call: Call, action: str) -> list[Fault]:
    return host.faults.matching(host.links, {action}, call.path, call.tr_id)


def _hidden_since(fault: Fault, call: Call) -> datetime:
    return call.now - timedelta(seconds=fault.seconds)


def orders_seen(host: Host, call: Call) -> list[Order]:
    """Every order as this list knows it: late ones are missing, late fills are not in them yet."""
    seen = list(host.engine.orders.values())
    for fault in _standing(host, call, "orders_late"):
        since = _hidden_since(fault, call)
        kept = [o for o in seen if o.placed_at <= since or not fault.concerns(o.symbol, o.side.word)]
        _use_if(host, fault, len(kept) < len(seen))
        seen = kept
    for fault in _standing(host, call, "fills_late"):
        since = _hidden_since(fault, call)
        older = [_without_late_fills(o, since) if fault.concerns(o.symbol, o.side.word) else o for o in seen]
        _use_if(host, fault, any(new is not old for new, old in zip(older, seen, strict=True)))
        seen = older
    return seen


def _without_late_fills(order: Order, since: datetime) -> Order:
    fills = [fill for fill in order.fills if fill.at <= since]
    if len(fills) == len(order.fills):
        return order
    return replace(order, fills=fills, state=State.OPEN if order.state is State.FILLED else order.state)


def holdings_seen(host: Host, call: Call) -> dict[str, Holding]:
    """Holdings as this list knows them."""
    entries: list[Entry] = host.account.entries
    for fault in _standing(host, call, "holdings_late"):
        since = _hidden_since(fault, call)
        kept = [e for e in entries if e.at <= since or not fault.concerns(e.symbol, _side(e))]
        _use_if(host, fault, len(kept) < len(entries))
        entries = kept
    return host.account.holdings if entries is host.account.entries else _possible(entries)


def _side(entry: Entry) -> str:
    side = getattr(entry, "side", None)
    return side.word if side else ""


def _possible(entries: Sequence[Entry]) -> dict[str, Holding]:
    """A sale can be shown before the purchase that it sold: such a symbol is not there."""
    symbols = {entry.symbol for entry in entries}
    found: dict[str, Holding] = {}
    for symbol in sorted(symbols):
        try:
            found |= holdings_from(entry for entry in entries if entry.symbol == symbol)
        except ValueError:
            continue
    return found


def _use_if(host: Host, fault: Fault, changed: bool) -> bool:
    if changed:
        host.faults.use(fault)
    return changed


# -- pages -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Page:
    """One page on its way out. `first` is the whole list's first row, `after` the key that was asked for."""

    rows: list[Row]
    cont: str
    following: str
    after: str
    first: Row | None

    @property
    def last_mark(self) -> str:
        return {"F": "D", "M": "E"}.get(self.cont, self.cont)


@dataclass(frozen=True)
class Sent:
    """What the reply carries: `output` is a list of rows, or an object of blanks."""

    output: list[Row] | Row
    cont: str
    following: str


def spoil(host: Host, call: Call, page: Page, blank: Mapping[str, str]) -> Sent:
    """Every page fault that meets the call, in a fixed order; one that would change nothing is not used."""
    as_object = False
    for name in PAGES:
        for fault in _standing(host, call, name):
            if name == "blank_object":
                as_object = _use_if(host, fault, bool(page.rows)) or as_object
                continue
            changed = _CHANGES[name](page, fault, blank)
            if _use_if(host, fault, changed != page):
                page = changed
    if as_object:
        return Sent(dict.fromkeys(blank, ""), page.last_mark, "")
    return Sent(page.rows, page.cont, page.following)


def _chosen(row: Row, fault: Fault) -> bool:
    symbol = (row.get("pdno") or row.get("ovrs_pdno") or "").replace("/", ".")
    side = row.get("sll_buy_dvsn_cd", "")
    return fault.concerns(symbol, {"": "", BUY_CODE: "buy"}.get(side, "sell"))


def _truncate(page: Page, fault: Fault, _blank: Mapping[str, str]) -> Page:
    """Without a match: the page's tail and all further pages; with one: the rows that it names."""
    if fault.picky:
        return replace(page, rows=[row for row in page.rows if not _chosen(row, fault)])
    keep = len(page.rows) // 2 if fault.rows is None else fault.rows
    return replace(page, rows=page.rows[:keep], cont=page.last_mark, following="")


def _duplicate(page: Page, fault: Fault, _blank: Mapping[str, str]) -> Page:
    return replace(page, rows=[copy for row in page.rows for copy in ([row, row] if _chosen(row, fault) else [row])])


def _repeat_row(page: Page, _fault: Fault, _blank: Mapping[str, str]) -> Page:
    return replace(page, rows=[page.first] * len(page.rows)) if page.first else page


def _endless(page: Page, _fault: Fault, _blank: Mapping[str, str]) -> Page:
    if not page.rows:
        return page
    return replace(page, cont="M" if page.cont in {"M", "E"} else "F", following=page.after)


def _blank_rows(page: Page, fault: Fault, blank: Mapping[str, str]) -> Page:
    return replace(page, rows=[dict(blank) for _ in range(1 if fault.rows is None else fault.rows)] + page.rows)


_CHANGES: Mapping[str, Callable[[Page, Fault, Mapping[str, str]], Page]] = {
    "truncate": _truncate,
    "duplicate": _duplicate,
    "repeat_row": _repeat_row,
    "endless_pages": _endless,
    "blank_rows": _blank_rows,
}
