"""KIS's rankings, search and minute chart at the sandbox: the documents' fields, half the volume, and what is refused."""

import pytest

from tests.contract.sandbox.sandbox_calls import Client

RANKING = "/uapi/overseas-stock/v1/ranking"
QUOTES = "/uapi/overseas-price/v1/quotations"
RISERS = {"KEYB": "", "AUTH": "", "EXCD": "NAS", "GUBN": "1", "MINX": "3", "VOL_RANG": "0"}
SURGES = {name: value for name, value in RISERS.items() if name != "GUBN"}
CHART = {
    "AUTH": "", "EXCD": "NAS", "SYMB": "HELI", "NMIN": "1", "PINC": "1", "NEXT": "", "NREC": "120", "FILL": "", "KEYB": "",
}  # fmt: skip
SEARCH = {"AUTH": "", "EXCD": "NAS", "KEYB": ""}
ASKED = {
    "risers": (f"{RANKING}/price-fluct", "HHDFS76260000", RISERS),
    "surges": (f"{RANKING}/volume-surge", "HHDFS76270000", SURGES),
    "search": (f"{QUOTES}/inquire-search", "HHDFS76410000", SEARCH),
    "chart": (f"{QUOTES}/inquire-time-itemchartprice", "HHDFS76950200", CHART),
}
FIELDS = {
    "risers": "rsym excd symb knam last sign diff rate tvol pask pbid n_base n_diff n_rate enam e_ordyn",
    "surges": "rsym excd symb knam last sign diff rate tvol pask pbid n_tvol n_diff n_rate enam e_ordyn",
    "search": (
        "rsym excd name symb last shar valx plow phigh popen tvol rate diff sign avol eps per rank ename e_ordyn"
    ),
    "chart": "tymd xymd xhms kymd khms open high low last evol eamt",
}


async def ask(client: Client, what: str, **changed: str):
    path, tr_id, fields = ASKED[what]
    client.kis.clock.advance(1.1)
    _, body, _ = await client.send("GET", path, tr_id, fields | changed)
    return body


@pytest.mark.parametrize("what", ASKED)
async def test_the_rows_have_the_documents_fields_and_texts_only(real, clock, what):
    clock.advance(8 * 60)
    body = await ask(real, what)
    assert body["rt_cd"] == "0"
    assert set(body["output2"][0]) == set(FIELDS[what].split())
    assert all(isinstance(value, str) for row in body["output2"] for value in row.values())


async def test_what_breaks_out_leads_the_risers_and_not_the_fallers(real, clock):
    clock.advance(8 * 60)
    up = await ask(real, "risers")
    assert (up["output2"][0]["symb"], float(up["output2"][0]["n_rate"]) > 5) == ("HELI", True)
    down = await ask(real, "risers", GUBN="0")
    assert "HELI" not in {row["symb"] for row in down["output2"]}
    assert all(float(row["n_rate"]) < 0 for row in down["output2"])


async def test_half_of_the_volume_is_seen(real, clock, market):
    clock.advance(8 * 60)
    body = await ask(real, "chart")
    now = clock.now()
    first = market.minute_of(now)
    rows = {row["xhms"]: row for row in body["output2"]}
    assert len(rows) == 120
    sent = market.bar_of_minute("HELI", first - 1)
    assert int(rows["143700"]["evol"]) == sent.volume // 2
    assert float(rows["143700"]["last"]) == sent.close
    assert rows["143700"]["khms"] == "043700"
    (row,) = [r for r in (await ask(real, "search"))["output2"] if r["symb"] == "HELI"]
    assert int(row["tvol"]) == market.volume_at("HELI", clock.now()) // 2
    assert float(row["shar"]) * float(row["last"]) == pytest.approx(float(row["valx"]) * 1000, rel=0.001)


async def test_the_chart_goes_on_before_the_last_row(real, clock):
    newest = await ask(real, "chart")
    before = newest["output2"][-1]
    older = await ask(real, "chart", NEXT="1", KEYB=before["xymd"] + before["xhms"])
    assert older["output2"][0]["xhms"] == before["xhms"]
    assert newest["output1"]["next"] == "1"


async def test_a_search_keeps_to_its_conditions_and_sorts_by_volume(real):
    body = await ask(real, "search", CO_YN_VALX="1", CO_ST_VALX="50000", CO_EN_VALX="999999999")
    rows = body["output2"]
    assert "TINY" not in {row["symb"] for row in rows}
    assert [int(row["tvol"]) for row in rows] == sorted((int(row["tvol"]) for row in rows), reverse=True)
    assert [row["rank"] for row in rows] == [str(n) for n in range(1, len(rows) + 1)]


@pytest.mark.parametrize(
    ("what", "changed", "code"),
    [
        ("risers", {"EXCD": "XXX"}, "OPSQ2001"),
        ("risers", {"GUBN": "2"}, "OPSQ2002"),
        ("risers", {"MINX": "10"}, "OPSQ2002"),
        ("surges", {"VOL_RANG": "7"}, "OPSQ2002"),
        ("surges", {"MINX": ""}, "IGW00007"),
        ("search", {"CO_YN_RATE": "1", "CO_ST_RATE": "five"}, "OPSQ2002"),
        ("chart", {"NREC": "121"}, "OPSQ2002"),
        ("chart", {"NEXT": "1"}, "OPSQ2002"),
        ("chart", {"KEYB": "20261118"}, "OPSQ2002"),
        ("chart", {"SYMB": ""}, "IGW00007"),
    ],
)
async def test_a_wrong_parameter_is_refused(real, what, changed, code):
    assert (await ask(real, what, **changed))["msg_cd"] == code


async def test_paper_has_the_search_only(paper):
    assert (await ask(paper, "search"))["rt_cd"] == "0"
    for what in ("risers", "surges", "chart"):
        assert (await ask(paper, what))["msg_cd"] == "EGW02006"


async def test_a_symbol_of_another_exchange_has_no_chart(real):
    body = await ask(real, "chart", EXCD="NYS")
    assert (body["output1"]["nrec"], body["output2"]) == ("0", [])
