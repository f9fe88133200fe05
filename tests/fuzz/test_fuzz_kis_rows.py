"""Mutated KIS rows: what is accepted is a sensible order, holding, quote or buying power; the rest is BadRow."""

import datetime as dt
import random
from decimal import Decimal
from types import SimpleNamespace

import msgspec

from adapters.kis import parse
from adapters.kis.answer import Answer
from adapters.kis.client import KisGateway
from adapters.kis.master import parse_master
from adapters.kis.parse import BadRow
from adapters.kis.transport import Scrubber
from core.model.instrument import Exchange
from core.model.order import BrokerOrder, Side
from tests.fuzz.kis_samples import (
    BLANK,
    BOOK,
    FAILURES,
    HOLDINGS,
    MOST_PRICE,
    MOST_SHARES,
    MOST_USD,
    ODNO,
    ORDERS,
    PLACED,
    POWER,
    PRICE,
    TICKER,
    understood,
    whole,
    word,
)
from tests.fuzz.mutants import damaged, fuzz, mutate, mutated, wire

AT = dt.datetime(2026, 11, 18, 15, 0, tzinfo=dt.UTC)
Row = dict[str, object]


def received(document: object) -> Row:
    """What of a document can come out of KIS's JSON."""
    try:
        found = msgspec.json.decode(wire(document))
    except (msgspec.MsgspecError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def good_day(text: str) -> bool:
    if not (len(text) == 8 and text.isascii() and text.isdigit()):
        return False
    try:
        dt.date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return False
    return True


def demand_sane(order: BrokerOrder, row: Row) -> None:
    """What an accepted order row must be, read from the raw row without the parser's help."""
    assert ODNO.fullmatch(order.ref.odno), "the number is no number"
    assert good_day(order.ref.ord_dt), "the date is no date"
    assert TICKER.fullmatch(order.ticker), "the ticker is no ticker"
    assert {"01": Side.SELL, "02": Side.BUY}[word(row, "sll_buy_dvsn_cd")] is order.side
    assert type(order.qty) is type(order.filled_qty) is type(order.open_qty) is int
    assert order.qty == whole(row.get("ft_ord_qty")), "the quantity is not what the row says"
    assert order.filled_qty == whole(row.get("ft_ccld_qty")), "the filled quantity is not what the row says"
    assert whole(row.get("nccs_qty")) is not None, "the rest is not a whole number"
    assert 0 <= order.filled_qty <= order.qty <= MOST_SHARES, "more filled than ordered"
    assert 0 <= order.open_qty <= order.qty - order.filled_qty, "more open than left"
    assert order.limit.is_finite(), "the limit is no number"
    assert 0 <= order.limit <= MOST_PRICE, "the limit is no price"
    assert order.limit == understood(row.get("ft_ord_unpr3")), "the limit is not what the row says"
    assert order.filled_usd.is_finite(), "the amount is no number"
    assert (order.filled_usd > 0) == (order.filled_qty > 0), "shares for nothing, or money for no shares"
    assert order.filled_usd <= MOST_USD, "more money than there is"
    assert order.exchange is None or order.exchange in set(Exchange)
    assert order.ordered_at is None or order.ordered_at.tzinfo is not None
    assert not (order.rejected and order.filled_qty)
    assert order.rejected + order.expired + order.cancelled <= 1


def test_order_rows_become_sane_orders_or_none() -> None:
    whole_rows = [parse.order_of(dict(row)) for row in ORDERS]

    def check(rng: random.Random, notes: list[object]) -> None:
        pick = rng.randrange(len(ORDERS))
        document = mutated(rng, ORDERS[pick])
        row = received(document)
        notes.append(row)
        try:
            order = parse.order_of(row, from_api=rng.choice((None, True, False)))
        except BadRow:
            assert document is not ORDERS[pick], "a good row was refused"
            return
        if order is None:
            assert not word(row, "odno").strip("0"), "an order with a number was taken for a blank"
            assert not word(row, "pdno"), "an order with a symbol was taken for a blank"
            return
        demand_sane(order, row)
        if document is ORDERS[pick]:
            expected = whole_rows[pick]
            assert expected is not None
            assert msgspec.structs.replace(order, from_api=expected.from_api) == expected

    fuzz("order rows", check)


def test_rows_of_one_number_never_add_up_to_more_than_was_ordered() -> None:
    orders = [parse.order_of(dict(row)) for row in ORDERS]

    def varied(rng: random.Random, order: BrokerOrder) -> BrokerOrder:
        qty = rng.randint(1, 9)
        filled = rng.randint(0, qty)
        usd = filled * Decimal(rng.randint(1, 9))
        ref = rng.choice(orders[:3]).ref
        open_qty = rng.choice((0, qty - filled))
        return msgspec.structs.replace(
            order, ref=ref, qty=qty, filled_qty=filled, filled_usd=usd, open_qty=open_qty, cancelled=open_qty == 0,
            rejected=False, expired=False,
        )  # fmt: skip

    def check(rng: random.Random, notes: list[object]) -> None:
        rows = [varied(rng, rng.choice(orders)) for _ in range(rng.randint(1, 4))]
        rows += rng.sample(rows, rng.randint(0, len(rows)))
        notes += rows
        found, sound = parse.combine(rows)
        assert {o.ref for o in found} == {o.ref for o in rows}, "an order was lost or made up"
        assert len(found) == len({o.ref for o in found}), "an order came twice"
        for order in found:
            group = [r for r in rows if r.ref == order.ref]
            assert order.filled_qty >= max(r.filled_qty for r in group), "filled shares were forgotten"
            assert order.filled_qty <= order.qty, "more filled than ordered"
            assert order.open_qty <= order.qty - order.filled_qty
            assert (order.filled_usd > 0) == (order.filled_qty > 0)
        assert not sound or all(len({(r.ticker, r.side, r.qty) for r in rows if r.ref == o.ref}) == 1 for o in found)

    fuzz("combined rows", check)


def test_holdings_are_whole_shares_or_the_page_is_refused() -> None:
    def check(rng: random.Random, notes: list[object]) -> None:
        document: object = list(HOLDINGS)
        for _ in range(rng.choice((0, 1, 1, 2, 3))):
            document = mutate(rng, document)
        answer = received({"output1": document})
        rows = parse.rows_of(answer.get("output1"))
        notes.append(rows)
        try:
            holdings = parse.holdings_of(rows)
        except BadRow:
            assert document != list(HOLDINGS), "good rows were refused"
            return
        named: dict[str, Decimal] = {}
        for row in rows:
            qty, symbol = understood(row.get("ovrs_cblc_qty")), word(row, "ovrs_pdno").replace("/", ".")
            assert qty is not None, "a quantity that is none was taken for nothing"
            assert qty >= 0, "a negative holding was taken for nothing"
            if qty >= 1:
                assert TICKER.fullmatch(symbol), "shares without a ticker were left out"
                assert word(row, "ovrs_excg_cd") in set(Exchange)
                named[symbol] = named.get(symbol, Decimal(0)) + qty
        assert len(holdings) == len({h.ticker for h in holdings})
        assert {h.ticker for h in holdings} == set(named), "a holding was lost or made up"
        for held in holdings:
            assert type(held.qty) is type(held.sellable_qty) is int
            assert 0 < held.qty <= min(named[held.ticker], MOST_SHARES), "more shares than there are"
            assert 0 <= held.sellable_qty <= held.qty
            assert held.avg_price.is_finite()
            assert 0 <= held.avg_price <= MOST_PRICE, "the average price is no price"

    fuzz("holdings", check)


def test_buying_power_and_quotes_are_positive_numbers_or_refused() -> None:
    def money(rng: random.Random, notes: list[object]) -> None:
        row = received(mutated(rng, POWER))
        notes.append(row)
        try:
            power = parse.buying_power_of(row)
        except BadRow:
            return
        rate = understood(row.get("exrt"))
        assert rate is not None
        assert power.krw_per_usd == rate
        assert 0 < power.krw_per_usd <= MOST_USD
        pots = [understood(row.get(key)) for key in ("ovrs_ord_psbl_amt", "frcr_ord_psbl_amt1")]
        assert None not in pots, "a pot that can't be read was taken for one"
        assert power.usd == max(*(pot for pot in pots if pot is not None), Decimal(0))
        assert power.usd <= MOST_USD

    def prices(rng: random.Random, notes: list[object]) -> None:
        row, book = received(mutated(rng, PRICE)), received(mutated(rng, BOOK))
        notes += [row, book]
        try:
            quote = parse.quote_of("TSLL", row, book, AT)
        except BadRow:
            return
        last = understood(row.get("last"))
        assert last is not None, "a price that is none was taken for one"
        assert quote.last > 0
        assert abs(quote.last - last) <= Decimal("0.00005")
        assert quote.last <= MOST_PRICE
        assert (quote.bid is None) == (quote.ask is None)
        if quote.bid is not None and quote.ask is not None:
            assert 0 < quote.bid <= quote.ask <= MOST_PRICE

    def check(rng: random.Random, notes: list[object]) -> None:
        (money if rng.random() < 0.5 else prices)(rng, notes)

    fuzz("money", check)


def test_any_bytes_are_an_answer_with_a_bounded_code() -> None:
    """A body that is no JSON object counts as empty; nothing else may happen before the parsers."""
    gateway = SimpleNamespace(scrub=Scrubber(["secret-secret"]))
    bodies = [PLACED, *(body for _, body in FAILURES), {"rt_cd": "0", "output": list(ORDERS)}, {"output": BLANK}]

    def check(rng: random.Random, notes: list[object]) -> None:
        content = damaged(rng, wire(mutated(rng, rng.choice(bodies))), 0.5)
        notes.append(content)
        response = SimpleNamespace(
            headers={"tr_cont": rng.choice(("", "F", " M ", "D"))}, status_code=rng.choice((200, 500))
        )
        answer = KisGateway._understood(gateway, response, content)
        assert isinstance(answer, Answer)
        assert isinstance(answer.body, dict)
        assert len(answer.code) <= 16
        assert isinstance(answer.text, str)
        assert type(answer.ok) is type(answer.token_dead) is bool
        if answer.ok:
            assert str(answer.body["rt_cd"]).strip() == "0"
        for output in ("output", "output1", "output2"):
            assert all(isinstance(row, dict) for row in parse.rows_of(answer.body.get(output)))

    fuzz("answers", check)


def test_master_files_give_listed_tickers_and_skip_everything_else() -> None:
    columns = ["US", "22", "NAS", "나스닥", "TSLL", "DNASTSLL", "디렉시온", "DIREXION", "3", "USD", "4", *["0"] * 13]
    lines = ["\t".join(columns), "\t".join(["US", "21", "NYS", "뉴욕", "BRK/B", *columns[5:]])]

    def check(rng: random.Random, notes: list[object]) -> None:
        cells = mutated(rng, columns, 2)
        chosen = "\t".join(str(x) for x in cells) if isinstance(cells, list) and rng.random() < 0.5 else lines[0]
        content = "\n".join([chosen, lines[1]]).encode("cp949", errors="replace")
        broken = damaged(rng, content)
        notes.append(broken)
        rows = list(parse_master(broken))
        for row in rows:
            assert TICKER.fullmatch(row.ticker), "the ticker is no ticker"
            assert row.symbol.replace("/", ".") == row.ticker
            assert row.exchange in set(Exchange)
        if broken is content and "\n" not in chosen and "\r" not in chosen:
            assert "BRK.B" in {row.ticker for row in rows}, "a broken line hid a good one"

    fuzz("master files", check)
