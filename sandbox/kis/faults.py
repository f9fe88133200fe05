"""How a KIS host words its injected errors, dates its answers, and reads which symbol and side a request is about."""

from email.utils import format_datetime

import msgspec
from aiohttp import web

from sandbox.faults import DATE, Fault, Faults
from sandbox.kis import engine, refusals, trading
from sandbox.kis.host import Host
from sandbox.kis.refusals import OAuthRefusal, Refusal
from sandbox.wire import Subject

DEFAULT_CODE = "EGW00001"
SELLS = frozenset({"TTTT1006U", "VTTT1001U"})


def injected(fault: Fault, request: web.Request) -> web.Response:
    """Known codes bring their own words and status; OAuth paths and OAuth codes their own shape."""
    code = fault.code or DEFAULT_CODE
    known = refusals.KNOWN.get(code, refusals.KNOWN[DEFAULT_CODE])
    text, status = fault.message or known.text, fault.status or known.status
    oauth = request.path.startswith("/oauth2/") or isinstance(known, OAuthRefusal)
    shape = fault.shape or ("oauth" if oauth else "kis")
    if shape == "plain":
        return web.Response(text=text, status=status)
    body = (OAuthRefusal(code, text) if shape == "oauth" else Refusal(code, text)).body()
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json", charset="utf-8")


async def subject(host: Host, request: web.Request) -> Subject:
    """(symbol, "buy" or "sell"), each empty where the request names none; a cancel has its target's side."""
    try:
        body = msgspec.json.decode(await request.read() or b"{}", type=dict[str, str])
    except msgspec.DecodeError:
        body = {}
    fields = body | dict(request.query)
    named = fields.get("PDNO") or fields.get("SYMB") or fields.get("ITEM_CD") or ""
    instrument = host.instrument(named)
    tr_id = request.headers.get("tr_id", "")
    side = "buy" if tr_id in trading.BUYS else "sell" if tr_id in SELLS else ""
    if "ORGN_ODNO" in fields and (target := engine.find(host.engine.orders.values(), fields["ORGN_ODNO"])):
        side = target.side.word
    return instrument.symbol if instrument else "", side


def date_answers(app: web.Application, host: Host, faults: Faults) -> None:
    """Every answer's Date is the sandbox clock's, shifted by the clock_skew faults that meet it."""

    async def stamp(request: web.Request, response: web.StreamResponse) -> None:
        now = host.clock.now()
        if request.transport is not None and not request.transport.is_closing():
            tr_id = request.headers.get("tr_id", "")
            fault = faults.take(host.links, request.path, tr_id, DATE)
            now = fault.shifted(now) if fault else now
        response.headers["Date"] = format_datetime(now.replace(microsecond=0), usegmt=True)

    app.on_response_prepare.append(stamp)
