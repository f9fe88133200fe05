"""A scripted KIS on loopback, and the guardian's client connected to it."""

import contextlib
import datetime as dt
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from services.guardian_broker import Access, GuardianBroker

APPKEY, SECRET, ACCOUNT, TOKEN = "APPKEYCANARY", "SECRETCANARY", "87654321-09", "TOKENCANARY"
CANARIES = (APPKEY, SECRET, ACCOUNT, "8765432109", "87654321", TOKEN)
WALL = dt.datetime(2026, 11, 17, 15, 30, tzinfo=dt.UTC).timestamp()
Reply = dict[str, object] | tuple[int, object] | bytes | None
Handler = Callable[["Asked"], Reply]


class Asked:
    """One request as the server got it."""

    def __init__(self, method: str, path: str, headers: dict[str, str], fields: dict[str, str]) -> None:
        self.method, self.path, self.headers, self.fields = method, path, headers, fields
        self.name = path.rsplit("/", 1)[1]
        self.more = ""


class Kis:
    """Answers by the last part of the path; a list gives one answer after the other, the last one for ever."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.script: dict[str, list[Reply | Handler]] = {"tokenP": [{"access_token": TOKEN, "expires_in": 86_400}]}
        self.url = ""

    def on(self, name: str, *replies: Reply | Handler) -> None:
        self.script[name] = list(replies)

    def names(self) -> list[str]:
        return [a.name for a in self.asked]

    def reply(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        replies = self.script.get(asked.name, [{}])
        found = replies.pop(0) if len(replies) > 1 else replies[0]
        return found(asked) if callable(found) else found


@contextlib.contextmanager
def serving(kis: Kis) -> Iterator[Kis]:
    class Connection(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("content-length", 0)))
            fields = dict(parse_qsl(address.query, keep_blank_values=True)) or json.loads(raw or b"{}")
            headers = {k.lower(): v for k, v in self.headers.items()}
            asked = Asked(self.command, address.path, headers, fields)
            reply = kis.reply(asked)
            if reply is None:
                return
            status, body = reply if isinstance(reply, tuple) else (200, reply)
            if isinstance(body, dict):
                body = json.dumps({"rt_cd": "0", **body}).encode()
            assert isinstance(body, bytes)
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            if asked.more:
                self.send_header("tr_cont", asked.more)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - http.server's name

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Connection)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True)
    thread.start()
    kis.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield kis
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Clock:
    def __init__(self) -> None:
        self.now = WALL

    def __call__(self) -> float:
        return self.now


def connect(
    kis: Kis, folder: Path, clock: Callable[[], float], *, paper: bool = False, url: str = ""
) -> GuardianBroker:
    access = Access(url or kis.url, url or kis.url, APPKEY, SECRET, ACCOUNT, paper=paper, rate_per_s=18.0)
    broker = GuardianBroker(access, folder, wall=clock)
    if paper:
        broker._kis._window.rate = 60
    return broker


def page(more: str, **body: object) -> Handler:
    def answer(asked: Asked) -> Reply:
        asked.more = more
        return body

    return answer
