"""KIS's symbol master files: one zip per exchange, cp949, tab separated, 24 columns, no header."""

import io
import zipfile

from aiohttp import web

from sandbox.market import Instrument, Market

EXCHANGES = {"nas": ("22", "나스닥"), "nys": ("21", "뉴욕"), "ams": ("23", "아멕스")}
STOCK, PRODUCT = "2", "3"


def routes(market: Market) -> list[web.RouteDef]:
    """GET /common/master/{nas,nys,ams}mst.cod.zip, open to everyone as at KIS."""

    async def serve(request: web.Request) -> web.Response:
        code = request.match_info["code"]
        body = archive(market, code)
        return web.Response(body=body, content_type="application/zip")

    return [web.get("/common/master/{code:nas|nys|ams}mst.cod.zip", serve)]


def archive(market: Market, code: str) -> bytes:
    """The zip of one exchange."""
    listed = [i for i in market.instruments.values() if i.quote_code.lower() == code]
    text = "".join("\t".join(columns(instrument)) + "\n" for instrument in listed)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(f"{code.upper()}MST.COD", text.encode("cp949", errors="replace"))
    return packed.getvalue()


def columns(instrument: Instrument) -> list[str]:
    """The 24 columns of a row."""
    quote = instrument.quote_code
    number, name = EXCHANGES[quote.lower()]
    symbol = instrument.symbol.replace(".", "/")
    kind = PRODUCT if instrument.type in {"ETF", "ETN"} else STOCK
    head = ["US", number, quote, name, symbol, quote + symbol, instrument.korean_name, instrument.name.upper()]
    rest = [kind, "USD", "4", "", f"{instrument.prev_close:.4f}", "1", "1", "930", "1600", "N", "", "710", "0", "0"]
    return [*head, *rest, "001" if instrument.type == "ETF" else "", ""]
