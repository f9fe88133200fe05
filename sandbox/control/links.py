"""TCP proxies and their toxics by request."""

from aiohttp import web

from sandbox import toxics
from sandbox.control.answers import Body, InputError, fields, guarded
from sandbox.proxy import Proxies


class Links:
    """Everything here runs on the wall clock: bytes do not know the market's."""

    def __init__(self, proxies: Proxies) -> None:
        self._proxies = proxies

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/control/proxies", guarded(self.listing)),
            web.post("/control/proxies", guarded(self.create)),
            web.delete("/control/proxies/{name}", guarded(self.remove)),
            web.post("/control/proxies/{name}/toxics", guarded(self.poison)),
            web.delete("/control/proxies/{name}/toxics", guarded(self.cure)),
            web.delete("/control/proxies/{name}/toxics/{toxic}", guarded(self.cure)),
        ]

    async def listing(self, _request: web.Request) -> Body:
        return {"proxies": [proxy.as_dict() for proxy in self._proxies.all()]}

    async def create(self, request: web.Request) -> Body:
        """{name, upstream[, listen]}: upstream is a listener's name, host:port or unix:/path."""
        body = await fields(request, "name", "upstream", "listen")
        texts = {key: value for key, value in body.items() if isinstance(value, str)}
        if len(texts) < len(body) or not {"name", "upstream"} <= set(texts):
            raise InputError("send name and upstream, and listen where it matters, as texts")
        return {"proxy": (await self._proxies.create(**texts)).as_dict()}

    async def remove(self, request: web.Request) -> Body:
        await self._proxies.remove(request.match_info["name"])
        return await self.listing(request)

    async def poison(self, request: web.Request) -> Body:
        proxy = self._proxies.get(request.match_info["name"])
        await proxy.poison(toxics.parse(await fields(request)))
        return {"proxy": proxy.as_dict()}

    async def cure(self, request: web.Request) -> Body:
        """One toxic, or all of them."""
        proxy = self._proxies.get(request.match_info["name"])
        name = request.match_info.get("toxic")
        if name is not None and name not in toxics.KINDS:
            raise InputError(f"toxic must be one of {', '.join(toxics.KINDS)}")
        try:
            await proxy.cure(name)
        except OSError as error:
            raise InputError(f"{proxy.listen}: {error.strerror or error}") from error
        return {"proxy": proxy.as_dict()}
