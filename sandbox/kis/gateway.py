"""The HTTP gateway of a KIS host: keys, tokens, rate, tr_ids and field checks before any rule of business."""

import hashlib
import itertools
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from sandbox.kis import inquiries, quotes, rankings, refusals, trading
from sandbox.kis.host import Call, Endpoint, Host, Reply
from sandbox.kis.refusals import RefusedError
from sandbox.kis.rows import kst
from sandbox.wire import cut

TRADING = "/uapi/overseas-stock/v1/trading/"
QUOTES = "/uapi/overseas-price/v1/quotations/"
RANKING = "/uapi/overseas-stock/v1/ranking/"

_ACCOUNT = ("CANO", "ACNT_PRDT_CD")


@dataclass(frozen=True)
class Service:
    """One path: its tr_ids per host, its fields, and which of those may not be empty."""

    method: str
    path: str
    real: frozenset[str]
    paper: frozenset[str]
    fields: tuple[str, ...]
    endpoint: Endpoint
    filled: tuple[str, ...] = ()
    account: bool = True
    # the paper host knows the tr_id but does not do the business
    paper_declines: bool = False


def _ids(*names: str) -> frozenset[str]:
    return frozenset(names)


_ORDER = ("OVRS_EXCG_CD", "PDNO", "ORD_QTY", "OVRS_ORD_UNPR", "ORD_SVR_DVSN_CD", "ORD_DVSN")
_REVISE = ("OVRS_EXCG_CD", "PDNO", "ORGN_ODNO", "RVSE_CNCL_DVSN_CD", "ORD_QTY", "OVRS_ORD_UNPR")
_HISTORY = [
    "PDNO",
    "ORD_STRT_DT",
    "ORD_END_DT",
    "SLL_BUY_DVSN",
    "CCLD_NCCS_DVSN",
    "OVRS_EXCG_CD",
    "SORT_SQN",
    "ORD_DT",
    "ORD_GNO_BRNO",
    "ODNO",
]
_QUOTE = ("EXCD", "SYMB")
_CHART = ("EXCD", "SYMB", "NMIN", "PINC", "NREC")

SERVICES = (
    Service("POST", TRADING + "order", _ids("TTTT1002U", "TTTT1006U"), _ids("VTTT1002U", "VTTT1001U"), _ORDER,
            trading.order, _ORDER),
    Service("POST", TRADING + "order-rvsecncl", _ids("TTTT1004U"), _ids("VTTT1004U"), _REVISE,
            trading.revise_or_cancel, _REVISE),
    Service("GET", TRADING + "inquire-nccs", _ids("TTTS3018R"), _ids("VTTS3018R"), ("OVRS_EXCG_CD", "SORT_SQN"),
            inquiries.open_orders, ("OVRS_EXCG_CD",), paper_declines=True),
    Service("GET", TRADING + "inquire-ccnl", _ids("TTTS3035R"), _ids("VTTS3035R"), tuple(_HISTORY),
            inquiries.history, ("ORD_STRT_DT", "ORD_END_DT", "SLL_BUY_DVSN", "CCLD_NCCS_DVSN")),
    Service("GET", TRADING + "inquire-balance", _ids("TTTS3012R"), _ids("VTTS3012R"),
            ("OVRS_EXCG_CD", "TR_CRCY_CD"), inquiries.balance, ("OVRS_EXCG_CD",)),
    Service("GET", TRADING + "inquire-present-balance", _ids("CTRP6504R"), _ids("VTRP6504R"),
            ("WCRC_FRCR_DVSN_CD", "NATN_CD", "TR_MKET_CD", "INQR_DVSN_CD"), inquiries.present_balance,
            ("WCRC_FRCR_DVSN_CD", "NATN_CD", "TR_MKET_CD", "INQR_DVSN_CD")),
    Service("GET", TRADING + "inquire-psamount", _ids("TTTS3007R"), _ids("VTTS3007R"),
            ("OVRS_EXCG_CD", "OVRS_ORD_UNPR", "ITEM_CD"), inquiries.buyable, ("OVRS_EXCG_CD", "OVRS_ORD_UNPR", "ITEM_CD")),
    Service("GET", TRADING + "foreign-margin", _ids("TTTC2101R"), frozenset(), (), inquiries.margin),
    Service("GET", QUOTES + "price", _ids("HHDFS00000300"), _ids("HHDFS00000300"), _QUOTE, quotes.price, _QUOTE,
            account=False),
    Service("GET", QUOTES + "price-detail", _ids("HHDFS76200200"), frozenset(), _QUOTE, quotes.price_detail, _QUOTE,
            account=False),
    Service("GET", QUOTES + "inquire-asking-price", _ids("HHDFS76200100"), frozenset(), _QUOTE, quotes.asking_price,
            _QUOTE, account=False),
    Service("GET", RANKING + "price-fluct", _ids("HHDFS76260000"), frozenset(),
            ("KEYB", "AUTH", "EXCD", "GUBN", "MINX", "VOL_RANG"), rankings.price_fluct,
            ("EXCD", "GUBN", "MINX", "VOL_RANG"), account=False),
    Service("GET", RANKING + "volume-surge", _ids("HHDFS76270000"), frozenset(),
            ("KEYB", "AUTH", "EXCD", "MINX", "VOL_RANG"), rankings.volume_surge, ("EXCD", "MINX", "VOL_RANG"),
            account=False),
    Service("GET", QUOTES + "inquire-search", _ids("HHDFS76410000"), _ids("HHDFS76410000"), ("AUTH", "EXCD"),
            rankings.search, ("EXCD",), account=False),
    Service("GET", QUOTES + "inquire-time-itemchartprice", _ids("HHDFS76950200"), frozenset(),
            (*_CHART, "AUTH", "NEXT", "FILL", "KEYB"), rankings.minute_chart, _CHART, account=False),
)  # fmt: skip

DECLINED = refusals.Refusal("90000000", "모의투자에서는 해당업무가 제공되지 않습니다.")


def json_reply(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(body),
        status=status,
        headers=headers,
        content_type="application/json",
        charset="utf-8",
    )


def _refuse(error: RefusedError) -> web.Response:
    return json_reply(error.refusal.body(), error.refusal.status)


class Gateway:
    """Handlers of one host; `requests` counts what arrived by path."""

    def __init__(self, host: Host, others_appkey: str) -> None:
        self._host, self._others_appkey = host, others_appkey
        self.requests: dict[str, int] = {}
        self._serial = itertools.count(1)

    def routes(self) -> list[web.RouteDef]:
        routes = [web.route(s.method, s.path, self._serve(s)) for s in SERVICES]
        return [
            *routes,
            web.post("/oauth2/tokenP", self.token),
            web.post("/oauth2/revokeP", self.revoke),
            web.post("/oauth2/Approval", self.approval),
            web.post("/uapi/hashkey", self.hashkey),
            web.route("*", "/uapi/{rest:.*}", self.unknown),
        ]

    # -- OAuth -------------------------------------------------------------------------------------

    async def token(self, request: web.Request) -> web.Response:
        body = await _body(request)
        try:
            token = self._host.tokens.issue(
                body.get("appkey", ""), body.get("appsecret", ""), body.get("grant_type", ""), self._host.clock.now()
            )
        except RefusedError as error:
            return _refuse(error)
        left = token.expires_at - self._host.clock.now()
        # python-kis compares this text with the wall clock, a scaled client with the market's: satisfy both
        until = max(token.expires_at, datetime.now(UTC) + left)
        return json_reply(
            {
                "access_token": token.text,
                "access_token_token_expired": kst(until).strftime("%Y-%m-%d %H:%M:%S"),
                "token_type": "Bearer",
                "expires_in": int(left.total_seconds()),
            }
        )

    async def revoke(self, request: web.Request) -> web.Response:
        body = await _body(request)
        if body.get("appkey") != self._host.credentials.appkey:
            return _refuse(RefusedError(refusals.BAD_APPKEY))
        if not self._host.tokens.revoke(body.get("token", "")):
            return _refuse(RefusedError(refusals.TOKEN_INVALID))
        return json_reply({"code": 200, "message": "접근토큰 폐기에 성공하였습니다"})

    async def approval(self, request: web.Request) -> web.Response:
        body, own = await _body(request), self._host.credentials
        if body.get("appkey") != own.appkey:
            return _refuse(RefusedError(refusals.BAD_APPKEY))
        if body.get("secretkey") != own.appsecret:
            return _refuse(RefusedError(refusals.BAD_APPSECRET))
        key = uuid.uuid5(uuid.NAMESPACE_URL, f"{self._host.name} {self._host.clock.now().isoformat()}")
        return json_reply({"approval_key": str(key)})

    async def hashkey(self, request: web.Request) -> web.Response:
        text = await request.text()
        try:
            body = msgspec.json.decode(text)
        except msgspec.DecodeError:
            return _refuse(RefusedError(refusals.BODY_INCOMPLETE))
        return json_reply({"BODY": body, "HASH": hashlib.sha256(text.encode()).hexdigest()})

    # -- services ----------------------------------------------------------------------------------

    def _serve(self, service: Service) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            self.requests[request.path] = self.requests.get(request.path, 0) + 1
            fields = await _body(request) if service.method == "POST" else dict(request.query)
            try:
                reply = self._answer(service, request, fields)
            except RefusedError as error:
                return _refuse(error)
            if reply.lost:
                return cut(request)
            headers = {
                "tr_id": request.headers.get("tr_id", ""),
                "tr_cont": reply.tr_cont,
                "gt_uid": f"{next(self._serial):032d}",
            }
            return json_reply(reply.body, headers=headers)

        return handle

    def _answer(self, service: Service, request: web.Request, fields: Mapping[str, str]) -> Reply:
        host, headers = self._host, request.headers
        self._check_keys(headers)
        now = host.clock.now()
        host.tokens.check(headers.get("authorization", ""), now)
        if not host.limit.admit(now):
            raise RefusedError(refusals.RATE_LIMIT)
        tr_id = headers.get("tr_id", "")
        self._check_tr(service, tr_id)
        if any(name not in fields for name in service.fields) or any(not fields[name] for name in service.filled):
            raise RefusedError(refusals.BODY_INCOMPLETE)
        if service.account:
            self._check_account(fields)
        return service.endpoint(host, Call(tr_id, fields, headers.get("tr_cont", "") == "N", host.now(), request.path))

    def _check_keys(self, headers: Mapping[str, str]) -> None:
        own, appkey = self._host.credentials, headers.get("appkey", "")
        if appkey == self._others_appkey:
            raise RefusedError(refusals.NOT_PAPER_KEY if self._host.paper else refusals.NOT_REAL_KEY)
        if appkey != own.appkey:
            raise RefusedError(refusals.KEY_REFUSED)
        if headers.get("appsecret", "") != own.appsecret:
            raise RefusedError(refusals.SECRET_REFUSED)

    def _check_tr(self, service: Service, tr_id: str) -> None:
        if not tr_id:
            raise RefusedError(refusals.NO_TR_ID)
        if tr_id not in (service.paper if self._host.paper else service.real):
            if self._host.paper:
                raise RefusedError(refusals.NOT_PAPER_TR)
            raise RefusedError(refusals.NOT_REAL_TR if tr_id.startswith("V") else refusals.NO_SERVICE)
        if self._host.paper and service.paper_declines:
            raise RefusedError(DECLINED)

    def _check_account(self, fields: Mapping[str, str]) -> None:
        if not all(fields.get(name) for name in _ACCOUNT):
            raise RefusedError(refusals.BODY_INCOMPLETE)
        own = self._host.credentials
        if (fields["CANO"], fields["ACNT_PRDT_CD"]) != (own.number, own.product):
            raise RefusedError(refusals.WRONG_ACCOUNT)

    async def unknown(self, request: web.Request) -> web.Response:
        paper_has_not = self._host.paper and "tr_id" in request.headers
        return _refuse(RefusedError(refusals.NOT_PAPER_TR if paper_has_not else refusals.NO_SERVICE))


async def _body(request: web.Request) -> dict[str, str]:
    """A flat JSON object of strings; anything else counts as empty, so that field checks refuse it."""
    try:
        return msgspec.json.decode(await request.read(), type=dict[str, str])
    except msgspec.DecodeError:
        return {}
