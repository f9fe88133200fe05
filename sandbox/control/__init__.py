"""The control API: look at everything, cause faults, act as the account's owner on another device, move the market."""

from aiohttp import web

from sandbox.control.by_hand import ByHand
from sandbox.control.links import Links
from sandbox.control.looking import Looking
from sandbox.control.shocks import Shocks
from sandbox.control.steering import Steering
from sandbox.control.trouble import Trouble
from sandbox.proxy import Proxies
from sandbox.world import World

__all__ = ["setup_control"]


def setup_control(app: web.Application, world: World, proxies: Proxies) -> None:
    """Adds the /control routes; they answer on loopback names only and take JSON bodies only."""
    for part in (Looking(world), Trouble(world), ByHand(world), Shocks(world), Links(proxies), Steering(world)):
        app.add_routes(part.routes())
