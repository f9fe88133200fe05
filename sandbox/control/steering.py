"""The market clock by request: speed, standing still, jumps ahead. Only a clock that nobody shares can be steered."""

from datetime import datetime, time, timedelta

from aiohttp import web

from sandbox import calendar
from sandbox.clock import ClockError, SteeredClock
from sandbox.control.answers import Body, InputError, fields, finite, guarded
from sandbox.telegram.transcript import KST
from sandbox.world import World

REPORT_AT = time(6, 30)
SHARED = "other processes share this clock: choose its speed at the start"


class Steering:
    """Time only goes forward."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/control/clock", guarded(self.look)),
            web.post("/control/clock", guarded(self.steer)),
        ]

    async def look(self, _request: web.Request) -> Body:
        clock = self._world.clock
        return {
            "now": clock.now().isoformat(),
            "speed": clock.speed,
            "paused": clock.paused,
            "adjustable": clock.adjustable,
        }

    async def steer(self, request: web.Request) -> Body:
        """One of {speed}, {paused}, {by_s}, {to}: an instant, "open" or "report"."""
        body = await fields(request, "speed", "paused", "by_s", "to")
        clock = self._world.clock
        if not isinstance(clock, SteeredClock):
            raise InputError(SHARED)
        if len(body) != 1:
            raise InputError("send one of speed, paused, by_s, to")
        try:
            if "speed" in body:
                clock.run(float(finite(body["speed"], "speed")))
            elif "paused" in body:
                clock.pause(body["paused"] is True)
            elif "by_s" in body:
                clock.jump(clock.now() + timedelta(seconds=float(finite(body["by_s"], "by_s"))))
            else:
                clock.jump(self._instant(str(body["to"])))
        except OverflowError:
            raise InputError("at most a day at once") from None
        except ClockError as error:
            raise InputError(str(error)) from None
        return await self.look(request)

    def _instant(self, to: str) -> datetime:
        """Raises InputError."""
        now, day = self._world.clock.now(), self._world.market.day
        if to == "open":
            opening = calendar.at(day, time(9, 30))
            if opening <= now:
                raise InputError("today's open has passed, and the sandbox plays one day")
            return opening
        if to == "report":
            here = now.astimezone(KST)
            at = datetime.combine(here.date(), REPORT_AT, KST)
            return at if at > now else at + timedelta(days=1)
        try:
            instant = datetime.fromisoformat(to)
        except ValueError:
            raise InputError('to must be "open", "report" or an instant with an offset') from None
        if instant.tzinfo is None:
            raise InputError("the instant needs an offset")
        return instant
