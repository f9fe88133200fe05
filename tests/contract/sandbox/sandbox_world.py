"""A KIS listener of the sandbox, with its rules for looking behind the socket."""

from dataclasses import dataclass

from sandbox.kis import Host
from tests.unit.sandbox.manual_clock import ManualClock


@dataclass
class KisHost:
    """A KIS listener, and its rules for looking behind the socket."""

    address: str
    host: Host
    clock: ManualClock

    @property
    def keys(self):
        return self.host.credentials

    def token(self) -> str:
        return self.host.tokens.issue(
            self.keys.appkey, self.keys.appsecret, "client_credentials", self.clock.now()
        ).text
