"""The dead-man's ping: a page somewhere else that alarms when it is not asked for. Standard library only."""

import logging
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

log = logging.getLogger("guardian.ping")
VARIABLE = "DEADMAN_URL"
EVERY_S, TIMEOUT_S = 60.0, 10.0


def ask(url: str) -> None:
    """Ask for the page once. Raises OSError."""
    request = urllib.request.Request(url, headers={"User-Agent": "seohak"})  # noqa: S310 - checked by `dead_man`
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
        answer.read(1024)


class DeadMan:
    """Asks from a thread of its own, so that a slow page holds up no stop. The address is a secret: it is never logged."""

    def __init__(
        self, url: str, *, ask: Callable[[str], None] = ask, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._url, self._ask, self._monotonic = url, ask, monotonic
        self._last = float("-inf")
        self._thread: threading.Thread | None = None
        self._failed = False

    def tell(self, *, healthy: bool) -> None:
        """Ping when it is time, all is well, and the last ping has ended; never raises."""
        now = self._monotonic()
        if not healthy or now - self._last < EVERY_S or (self._thread is not None and self._thread.is_alive()):
            return
        self._last = now
        self._thread = threading.Thread(target=self._ping, name="ping", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Until the ping on its way has ended."""
        if self._thread is not None:
            self._thread.join(TIMEOUT_S)

    def _ping(self) -> None:
        try:
            self._ask(self._url)
        except Exception as error:
            if not self._failed:
                # its text may hold the address
                log.warning("the dead-man's page can't be reached (%s); asked again each minute", type(error).__name__)
            self._failed = True
            return
        if self._failed:
            log.warning("the dead-man's page is reached again")
        self._failed = False


def dead_man(env: Mapping[str, str]) -> DeadMan | None:
    """What DEADMAN_URL asks for; None where it is empty or no address, which is said once."""
    url = env.get(VARIABLE, "").strip()
    if not url:
        return None
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable:
        log.error("%s is no http(s) address: nobody is pinged", VARIABLE)
        return None
    return DeadMan(url)
