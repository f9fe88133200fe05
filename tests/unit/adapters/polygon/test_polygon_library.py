"""The vendor's package under both of its names, with a stand-in for the one that is not installed."""

import sys
from collections.abc import Iterator
from types import ModuleType

import polygon
import pytest

from adapters.polygon import library
from adapters.polygon.connection import _telling
from adapters.polygon.rest import PolygonReference
from config import environment
from config.params import ConfigError
from ports.market_data import ReferenceUnavailable
from tests.unit.core.builders import NOON

KEY = {"POLYGON_API_KEY": "k"}


@pytest.fixture
def massive(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A package of that name with classes of its own."""
    module, errors = ModuleType("massive"), ModuleType("massive.exceptions")
    for name in ("WebSocketClient", "RESTClient"):
        setattr(module, name, type(name, (getattr(polygon, name),), {}))
    for name in ("AuthError", "BadResponse"):
        setattr(errors, name, type(name, (Exception,), {}))
    module.__spec__ = sys.modules["polygon"].__spec__
    monkeypatch.setitem(sys.modules, "massive", module)
    monkeypatch.setitem(sys.modules, "massive.exceptions", errors)
    library.load.cache_clear()
    yield module
    library.load.cache_clear()


def test_what_is_installed_is_used() -> None:
    library.load.cache_clear()
    assert library.load().name == library.load("polygon").name == "polygon"


def test_the_newer_package_goes_first_and_the_older_can_be_asked_for(massive: ModuleType) -> None:
    newer = library.load()
    assert (newer.name, newer.stream, newer.rest) == ("massive", massive.WebSocketClient, massive.RESTClient)
    assert newer.auth_error is sys.modules["massive.exceptions"].AuthError
    assert library.load("polygon").stream is polygon.WebSocketClient


def test_each_package_has_a_telling_client_of_its_own(massive: ModuleType) -> None:
    assert issubclass(_telling(massive.WebSocketClient), massive.WebSocketClient)
    assert _telling(polygon.WebSocketClient) is _telling(polygon.WebSocketClient)


async def test_the_errors_of_the_newer_package_are_no_answer_too(massive: ModuleType) -> None:
    class Clock:
        def now(self) -> object:
            return NOON

    def refuse(*_args: object, **_options: object) -> None:
        raise sys.modules["massive.exceptions"].BadResponse('{"status":"ERROR","error":"not for your plan"}')

    massive.RESTClient.get_ticker_details = refuse
    reference = PolygonReference("k", "http://127.0.0.1:1", clock=Clock())
    with pytest.raises(ReferenceUnavailable, match="not for your plan"):
        await reference.instrument("NVDA")
    await reference.close()


def test_a_package_that_is_not_there_is_named_with_the_remedy() -> None:
    library.load.cache_clear()
    with pytest.raises(library.PackageMissing, match="pip install"):
        library.load("massive_of_nobody")


def test_a_package_that_is_broken_inside_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> ModuleType:
        raise ModuleNotFoundError("No module named 'certifi'", name="certifi")

    library.load.cache_clear()
    monkeypatch.setattr(library.importlib, "import_module", broken)
    with pytest.raises(ModuleNotFoundError, match="certifi"):
        library.load("polygon")
    library.load.cache_clear()


def test_without_a_choice_the_old_hosts_answer() -> None:
    settings = environment.polygon(KEY)
    assert (settings.package, settings.ws_url, settings.rest_url) == (
        "", "wss://socket.polygon.io/stocks", "https://api.polygon.io",
    )  # fmt: skip


def test_the_new_name_has_its_hosts_and_its_key(massive: ModuleType) -> None:
    settings = environment.polygon({"MASSIVE_API_KEY": "m", "MARKET_DATA_CLIENT": "massive"})
    assert (settings.key, settings.package) == ("m", "massive")
    assert (settings.ws_url, settings.rest_url) == ("wss://socket.massive.com/stocks", "https://api.massive.com")


def test_addresses_may_be_given_under_either_name() -> None:
    given = {"MASSIVE_WS_URL": "wss://delayed.massive.com/stocks", "POLYGON_REST_URL": "http://127.0.0.1:1"}
    settings = environment.polygon(KEY | given)
    assert (settings.ws_url, settings.rest_url) == tuple(given.values())


@pytest.mark.parametrize(
    ("package", "words"), [("alpaca", "must be empty, polygon or massive"), ("massive", "pip install")]
)
def test_a_choice_that_cannot_be_is_refused_at_the_start(package: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        environment.polygon(KEY | {"MARKET_DATA_CLIENT": package})
