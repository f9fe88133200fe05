"""Whole broker calls over mutated pages and answers: complete only when every page was read, refused only when listed."""

import asyncio
import datetime as dt
import json
import random
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest

from adapters.kis import client, codes
from adapters.kis.answer import Answer
from adapters.kis.auth import KisCredentials
from adapters.kis.broker import MAX_PAGES, KisBroker
from adapters.kis.client import KisGateway
from adapters.kis.transport import Scrubber
from core.model.instrument import Exchange
from core.model.order import BrokerRef, OrderRequest, Side
from ports.broker import BrokerUnavailable, OrderRefused, OrderUnknown
from tests.fuzz.kis_samples import (
    BLANK,
    FAILURES,
    HOLDINGS,
    ODNO,
    ORDERS,
    PLACED,
    POWER,
    PRICE,
    REFUSED,
    TICKER,
    understood,
    whole,
    word,
)
from tests.fuzz.mutants import damaged, fuzz, mutate, mutated, wire
from tests.fuzz.test_fuzz_kis_rows import good_day
from tests.unit.sandbox.manual_clock import ManualClock

AT = dt.datetime(2026, 11, 18, 15, 0, tzinfo=dt.UTC)
REQUEST = OrderRequest(ticker="TSLL", exchange=Exchange.NASD, side=Side.SELL, qty=5, limit=Decimal("19.16"))
Row = dict[str, object]


def read(content: bytes) -> Row:
    """The JSON object in some bytes, as Python's own reader sees it; empty where there is none."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


class Page:
    """One answer of a paged inquiry, and whether a person could read all of it."""

    def __init__(self, document: object, tr_cont: str, status: int = 200) -> None:
        self.body = document if isinstance(document, dict) else {}
        self.tr_cont, self.status = tr_cont, status
        self._content: bytes | None = None

    def __repr__(self) -> str:
        return f"{self.status} {self.tr_cont!r} {self.content!r}"

    @property
    def content(self) -> bytes:
        if self._content is None:
            self._content = wire(self.body)
        return self._content

    @content.setter
    def content(self, content: bytes) -> None:
        self._content, self.body = content, read(content)


class ScriptedGateway:
    """The gateway as the broker sees it; queries are answered from pages, and a page too many is trouble."""

    def __init__(self, pages: Mapping[str, list[Page]], *, paper: bool) -> None:
        self.paper, self.has_order_book = paper, True
        self._pages, self.asked = pages, dict.fromkeys(pages, 0)
        self._inner = SimpleNamespace(scrub=Scrubber())

    async def query(
        self,
        path: str,
        tr_id: str,
        params: Mapping[str, str],
        urgency: object,
        *,
        more: bool = False,
        quote: bool = False,
    ) -> Answer:
        kind = path.rsplit("/", 1)[1]
        pages, number = self._pages.get(kind, []), self.asked.get(kind, 0)
        self.asked[kind] = number + 1
        if number >= len(pages):
            raise BrokerUnavailable("no such page", code="TEST")
        page = pages[number]
        response = SimpleNamespace(headers={"tr_cont": page.tr_cont}, status_code=page.status)
        answer = KisGateway._understood(self._inner, response, page.content)
        if not answer.ok:
            raise BrokerUnavailable("refused", code=answer.code)
        return answer


def order_page(rows: list[Row], tr_cont: str, area: str) -> Page:
    body = {"rt_cd": "0", "msg_cd": "KIOK0510", "msg1": "", "ctx_area_fk200": area, "ctx_area_nk200": area}
    return Page({**body, "output": rows}, tr_cont)


def chain(rng: random.Random, pages: int) -> tuple[list[Page], list[Row]]:
    """A sound chain of order pages: full ones with more to come, then a last one."""
    rows: list[Row] = []
    found = []
    for number in range(pages):
        here = [
            {**rng.choice(ORDERS), "odno": f"{31_000_000 + number * 100 + n:010d}"} for n in range(rng.randint(1, 2))
        ]
        rows += here
        last = number == pages - 1
        found.append(order_page(here, "D" if last else "M", "" if last else f"KEY{number}"))
    return found, rows


def readable(row: Row) -> bool:
    """Whether a person would take this row for an order or for a blank."""
    if not word(row, "odno").strip("0") and not word(row, "pdno"):
        return True
    qty, filled, left = (whole(row.get(key)) for key in ("ft_ord_qty", "ft_ccld_qty", "nccs_qty"))
    limit = understood(row.get("ft_ord_unpr3"))
    if qty is None or filled is None or left is None or limit is None or limit < 0 or filled > qty:
        return False
    named = ODNO.fullmatch(word(row, "odno")) and TICKER.fullmatch(word(row, "pdno").replace("/", "."))
    return bool(named) and good_day(word(row, "ord_dt")) and word(row, "sll_buy_dvsn_cd") in {"01", "02"}


def rows_in(page: Page) -> list[object]:
    output = page.body.get("output")
    return output if isinstance(output, list) else [output]


def spoil(rng: random.Random, pages: list[Page]) -> str:
    """Break the chain in one of the ways that were seen or feared; returns which, empty where it stays sound."""
    at = rng.randrange(len(pages))
    page = pages[at]
    match rng.randrange(11):
        case 0:
            page.content = wire(mutate(rng, page.body))
            return "mutated"
        case 1:
            page.content = damaged(rng, page.content, 1.0)
            return "mutated"
        case 2 if at < len(pages) - 1:
            pages[at + 1 :] = []
            return "cut"
        case 3 if at < len(pages) - 1:
            pages[at + 1] = Page(page.body, pages[at + 1].tr_cont)
            return "repeated page"
        case 4:
            page.status = rng.choice((500, 502, 403))
            return "failed page"
        case 5:
            pages[-1].tr_cont = rng.choice(("M", "F"))
            return "more promised"
        case 6 if at < len(pages) - 1:
            page.content = wire({**page.body, "ctx_area_nk200": rng.choice(("", None, " "))})
            return "no key to go on"
        case 7:
            page.content = wire({k: v for k, v in page.body.items() if k != "output"})
            return "no output"
        case 8:
            rows = rows_in(page)
            page.content = wire({**page.body, "output": [rows[0]] * 4})
            return "one row over and over"
        case 9 if rng.random() < 0.1:
            pages[:] = [order_page([{**ORDERS[0], "odno": f"{n:010d}"}], "M", f"K{n}") for n in range(1, MAX_PAGES + 5)]
            return "endless"
    page.content = wire({**page.body, "output": [*rows_in(page), dict(BLANK)]})
    return ""


def test_an_order_list_is_complete_only_when_every_page_was_read() -> None:
    clock = ManualClock(AT)
    loop = asyncio.new_event_loop()

    def check(rng: random.Random, notes: list[object]) -> None:
        pages, rows = chain(rng, rng.randint(1, 3))
        broken = spoil(rng, pages) if rng.random() < 0.8 else ""
        notes += [broken, *pages[:4]]
        gateway = ScriptedGateway({"inquire-ccnl": pages}, paper=True)
        try:
            book = loop.run_until_complete(KisBroker(gateway, clock).order_book())
        except BrokerUnavailable:
            assert broken in {"mutated", "failed page"}, "a sound first page was refused"
            return
        assert gateway.asked["inquire-ccnl"] <= MAX_PAGES
        seen = [row for page in pages for row in rows_in(page)]
        if not broken:
            assert book.complete, "a whole list was not believed"
        if broken and broken != "mutated":
            assert not book.complete, f"a list was believed: {broken}"
        if book.complete:
            # no page of the chain is one that only the mutation reached
            for row in seen[: sum(len(rows_in(p)) for p in pages[: gateway.asked["inquire-ccnl"]])]:
                assert row in (None, "") or (isinstance(row, dict) and readable(row)), (
                    "a list with an unreadable row was believed"
                )
        found = {order.ref.odno: order for order in book.orders}
        assert len(found) == len(book.orders), "an order came twice"
        for order in book.orders:
            assert ODNO.fullmatch(order.ref.odno)
            assert 0 <= order.filled_qty <= order.qty, "more filled than ordered"
            assert order.limit >= 0
        if not broken:
            assert set(found) == {word(row, "odno").lstrip("0") for row in rows}
        if broken == "mutated":
            intact = [row for page in pages for row in rows_in(page) if row in rows]
            listed = {
                word(row, "odno").lstrip("0") for row in intact[: len(rows_in(pages[0]))] if row in rows_in(pages[0])
            }
            assert listed <= set(found), "a good row was lost because of a bad one"

    try:
        fuzz("order lists", check)
    finally:
        loop.close()


def test_two_lists_that_differ_are_never_complete_at_once() -> None:
    """On the real host the list of open orders is read too."""
    clock = ManualClock(AT)
    loop = asyncio.new_event_loop()
    working = {**ORDERS[1]}

    def check(rng: random.Random, notes: list[object]) -> None:
        pages, rows = chain(rng, rng.randint(1, 2))
        open_rows = [row for row in rows if word(row, "nccs_qty") != "0"]
        more = rng.choice(("", "extra", "mutated", "failed", "cut"))
        if more == "extra":
            open_rows = [*open_rows, {**working, "odno": "0099999999"}]
        listing = order_page(open_rows, "D", "")
        if more == "mutated":
            listing.content = damaged(rng, wire(mutate(rng, listing.body)), 0.5)
        elif more == "failed":
            listing.status = 500
        elif more == "cut":
            listing.tr_cont = "M"
        notes += [more, listing, *pages]
        gateway = ScriptedGateway({"inquire-ccnl": pages, "inquire-nccs": [listing]}, paper=False)
        book = loop.run_until_complete(KisBroker(gateway, clock).order_book())
        found = {order.ref.odno for order in book.orders}
        assert {word(row, "odno").lstrip("0") for row in rows} <= found, "a listed order was lost"
        if not more:
            assert book.complete
            assert len(found) == len(rows)
        elif more != "mutated":
            assert not book.complete, f"believed although: {more}"
        if more == "extra":
            assert "99999999" in found
        for order in book.orders:
            assert 0 <= order.filled_qty <= order.qty, "more filled than ordered"

    try:
        fuzz("two lists", check)
    finally:
        loop.close()


def test_account_inquiries_give_a_model_or_unavailable() -> None:
    clock = ManualClock(AT)
    loop = asyncio.new_event_loop()
    ok = {"rt_cd": "0", "msg_cd": "MCA00000", "ctx_area_fk200": "", "ctx_area_nk200": ""}

    def page(rng: random.Random, document: object) -> Page:
        found = Page(mutated(rng, document), rng.choice(("", "D", "D", "E", "M", "F")), rng.choice((200,) * 9 + (500,)))
        found.content = damaged(rng, found.content, 0.15)
        return found

    async def ask(rng: random.Random, broker: KisBroker) -> None:
        match rng.randrange(3):
            case 0:
                for held in await broker.holdings():
                    assert held.qty > 0
                    assert 0 <= held.sellable_qty <= held.qty
                    assert held.avg_price >= 0, "a negative price was accepted"
            case 1:
                power = await broker.buying_power(
                    "TSLL", Exchange.NASD, rng.choice(("19.16", "NaN", "x", "-1", "1e400"))
                )
                assert power.usd >= 0
                assert power.krw_per_usd > 0
            case _:
                quote = await broker.quote("TSLL", Exchange.NASD)
                assert quote.last > 0
                assert quote.at == AT

    def check(rng: random.Random, notes: list[object]) -> None:
        paper = rng.random() < 0.5
        scripts = {
            "inquire-balance": [page(rng, {**ok, "output1": list(HOLDINGS), "output2": {}}) for _ in range(3)],
            "inquire-psamount": [page(rng, {**ok, "output": POWER})],
            "price": [page(rng, {**ok, "output": PRICE})],
            "inquire-asking-price": [page(rng, {**ok, "output1": {}, "output2": [{"pbid1": "1", "pask1": "2"}]})],
        }
        notes += [p for pages in scripts.values() for p in pages]
        gateway = ScriptedGateway(scripts, paper=paper)
        try:
            loop.run_until_complete(ask(rng, KisBroker(gateway, clock)))
        except BrokerUnavailable:
            pass

    try:
        fuzz("account inquiries", check)
    finally:
        loop.close()


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KisGateway:
    """The real gateway with a living token in its file; nothing can leave it."""
    clock = ManualClock(AT)
    keys = KisCredentials(hts_id="me", appkey="k" * 36, appsecret="s" * 180, account="50012345-01")
    made = KisGateway(keys, "http://127.0.0.1:1", paper=False, clock=clock, token_dir=tmp_path)
    monkeypatch.setattr(client, "PAUSE_S", 0.0)
    token = SimpleNamespace(text="token-token", header="Bearer token-token")
    for keeper in made._tokens.values():
        monkeypatch.setattr(keeper, "token", lambda *_, **__: token)
        monkeypatch.setattr(keeper, "drop", lambda *_: None)
    return made


def test_an_order_is_placed_refused_or_unknown_as_the_raw_answer_says(
    gateway: KisGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Placed needs success and a number; refused needs a listed code; everything else is unknown."""
    broker = KisBroker(gateway, ManualClock(AT))
    loop = asyncio.new_event_loop()
    answers = [(200, PLACED), (200, PLACED), *FAILURES, (200, REFUSED), (401, {"rt_cd": "1", "msg_cd": "EGW00121"})]
    sent: list[str] = []

    def check(rng: random.Random, notes: list[object]) -> None:
        status, document = rng.choice(answers)
        content = damaged(rng, wire(mutated(rng, document)), 0.2)
        status = rng.choice((status, status, status, 200, 500, 502))
        notes += [status, content]

        def send(domain: str, method: str, *_: object, **__: object) -> Answer:
            sent.append(method)
            # what the order adapter does before the first byte
            gateway._orders._tickets.ticket.spend()
            return gateway._understood(SimpleNamespace(headers={}, status_code=status), content)

        monkeypatch.setattr(gateway, "_send", send)
        sent.clear()
        body = read(content)
        work = broker.place(REQUEST) if rng.random() < 0.7 else broker.cancel(BrokerRef("20261118", "", "1"), REQUEST)
        code = str(body.get("msg_cd") or body.get("error_code") or "")
        try:
            ref = loop.run_until_complete(work)
        except OrderRefused as refused:
            assert str(body.get("rt_cd", "")).strip() != "0", "a taken order was called refused"
            if refused.code == codes.NOT_SENT:
                raise AssertionError("a sent order was called unsent") from None
            assert (status, " ".join(code.split())) in codes.REFUSALS, "refused without a listed code"
        except OrderUnknown:
            pass
        else:
            assert (status, str(body.get("rt_cd", "")).strip()) == (200, "0"), "placed without success"
            if ref is not None:
                assert ODNO.fullmatch(ref.odno), "placed without a number"
                assert ref.ord_dt == "20261118"
        assert sent == ["POST"], "an order was not sent exactly once"

    try:
        fuzz("order answers", check)
    finally:
        loop.close()
        for lane in (*gateway._posts.values(), *gateway._queries.values()):
            lane.close()
