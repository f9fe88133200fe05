"""How the control API answers: loopback only, JSON only, and one line for what is wrong."""

from collections.abc import Awaitable, Callable
from decimal import Decimal, InvalidOperation

import msgspec
from aiohttp import web

from sandbox.kis import Host
from sandbox.kis.account import Side
from sandbox.kis.refusals import RefusedError
from sandbox.market import Instrument
from sandbox.world import World

Body = dict[str, object]
Answer = Callable[[web.Request], Awaitable[object]]

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
SIDES = {"buy": Side.BUY, "sell": Side.SELL}
MAX_SHARES = 10_000_000


class InputError(Exception):
    """What is wrong with the request, in one line."""


def reply(body: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")


def guarded(answer: Answer) -> Callable[[web.Request], Awaitable[web.Response]]:
    """400 for bad input, 409 where the broker's own rules refuse."""

    async def handle(request: web.Request) -> web.Response:
        if (request.url.host or "") not in LOOPBACK:
            return reply({"error": "loopback only"}, 403)
        # a page on another site cannot send this content type without asking first
        if request.method == "POST" and request.content_type != "application/json":
            return reply({"error": "send application/json"}, 415)
        try:
            return reply(await answer(request))
        except (InputError, ValueError) as error:
            return reply({"error": str(error)}, 400)
        except RefusedError as error:
            return reply({"error": error.refusal.text, "code": error.refusal.code}, 409)

    return handle


async def fields(request: web.Request, *known: str) -> Body:
    """The body's JSON object; `known` names, where given, are all it may hold."""
    try:
        body = msgspec.json.decode(await request.read(), type=dict[str, object])
    except msgspec.DecodeError:
        raise InputError("the body must be a JSON object") from None
    if known and (unknown := set(body) - set(known)):
        raise InputError(f"unknown field {', '.join(sorted(unknown))}; known are {', '.join(known)}")
    return body


def amount(value: object, name: str) -> Decimal:
    number = finite(value, name)
    if number < 0:
        raise InputError(f"{name} must be zero or more")
    return number


def finite(value: object, name: str) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise InputError(f"{name} must be a number") from None
    if not number.is_finite():
        raise InputError(f"{name} must be a number")
    return number


def shares(value: object, name: str = "qty", least: int = 1) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= MAX_SHARES:
        raise InputError(f"{name} must be a whole number from {least} to {MAX_SHARES}")
    return value


def host_named(world: World, name: object) -> Host:
    try:
        return world.host(str(name))
    except KeyError:
        raise InputError("host must be real or paper") from None


def listed(world: World, symbol: object) -> Instrument:
    instrument = world.market.instruments.get(str(symbol))
    if instrument is None:
        raise InputError(f"{symbol} is not listed")
    return instrument
