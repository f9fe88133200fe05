"""The drill: a takeover on a fake broker in this process, with a virtual clock and a folder that is thrown away."""

import contextlib
import hashlib
import hmac
import json
import logging
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from services.guardian import Guardian
from services.guardian_broker import Access, GuardianBroker
from services.guardian_rules import HUNG_AFTER_S
from services.guardian_session import Row

TICKER, QTY, OWN, STOP, PRICE = "DRILL", 10, 5, "10.00", "9.50"
SALE, BUY = "1", "2"


class FakeKis:
    """As much of KIS as a takeover asks: one ticker under its stop, one purchase that still waits."""

    def __init__(self) -> None:
        self.held, self.requests = QTY + OWN, 0
        self.sales: list[dict[str, str]] = []
        self.cancelled: list[str] = []

    def answer(self, name: str, body: dict[str, str]) -> Row:
        """The answer to the request whose path ends with `name`."""
        self.requests += 1
        match name:
            case "tokenP":
                return {"access_token": "drill", "expires_in": 86_400}
            case "price":
                return {"output": {"last": PRICE}}
            case "inquire-balance":
                lot = {"ovrs_pdno": TICKER, "ovrs_cblc_qty": str(self.held), "ord_psbl_qty": str(self.held)}
                return {"output1": [lot]}
            case "inquire-nccs" if BUY not in self.cancelled:
                side = {"sll_buy_dvsn_cd": "02", "ovrs_excg_cd": "NASD"}
                return {"output": [{"odno": BUY, "pdno": TICKER, "nccs_qty": "1", **side}]}
            case "order":
                self.sales.append(body)
                self.held -= int(body["ORD_QTY"])
                return {"output": {"ODNO": SALE}}
            case "order-rvsecncl":
                self.cancelled.append(body["ORGN_ODNO"].lstrip("0"))
            case _:
                pass
        return {"output": []}


@contextlib.contextmanager
def _listening(kis: FakeKis) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            name = urlsplit(self.path).path.rsplit("/", 1)[1]
            answer = {"rt_cd": "0", **kis.answer(name, json.loads(body or b"{}"))}
            content = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 - http.server's name

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _leave(folder: Path, now: float, *, standby: str) -> None:
    """What a trader leaves in its files."""
    row = {"ticker": TICKER, "exchange": "NASD", "qty": QTY, "stop_price": STOP, "own": OWN, "policy": "stop"}
    body = json.dumps({"seq": 1, "written_at": "", "venue": "kis_real", "positions": [row]}).encode()
    (folder / "protect.key").write_bytes(b"drill")
    digest = hmac.new(b"drill", body, hashlib.sha256).hexdigest().encode()
    (folder / "protect.json").write_bytes(body + b"\n" + digest + b"\n")
    beat = {"mono": now, "standby": standby, "epoch": "1 trader", "stops": {TICKER: now}}
    (folder / "beats").mkdir(exist_ok=True)
    (folder / "beats" / "trader").write_text(json.dumps(beat))


def _rehearse(
    folder: Path, kis: FakeKis, guardian: Guardian, tick: Callable[[float], float]
) -> Iterator[tuple[str, bool]]:
    _leave(folder, tick(0), standby="no")
    guardian.round()
    yield "leaves_a_working_trader_alone", kis.requests == 0 and not guardian.in_charge
    tick(HUNG_AFTER_S + 1)
    guardian.round()
    yield "takes_over_after_silence", guardian.in_charge
    yield "cancels_purchases", kis.cancelled == [BUY]
    yield "one_price_is_not_enough", not kis.sales
    tick(2)
    guardian.round()
    yield "sells_what_is_protected", [s["ORD_QTY"] for s in kis.sales] == [str(QTY)]
    for _ in range(3):
        tick(2)
        guardian.round()
    yield "leaves_the_owners_shares", kis.held == OWN
    lines = [json.loads(line) for line in (folder / "guardian.ndjson").read_text().splitlines()]
    sales = [line["event"] for line in lines if line["event"] in {"selling", "sold"}]
    yield "writes_before_it_sends", sales == ["selling", "sold"]
    _leave(folder, tick(0), standby="yes")
    guardian.round()
    yield "hands_back", not guardian.in_charge and kis.held == OWN


def drill() -> dict[str, object]:
    """Rehearse; `ok`, the seconds it took, and each check by name. Touches neither the account nor the state directory."""
    began, kis = time.monotonic(), FakeKis()
    clock = [1_000.0]

    def tick(seconds: float) -> float:
        clock[0] += seconds
        return clock[0]

    log, checks = logging.getLogger("guardian"), dict[str, bool]()
    was_disabled, log.disabled = log.disabled, True
    try:
        with tempfile.TemporaryDirectory(prefix="seohak-drill-") as name, _listening(kis) as url:
            folder = Path(name)
            access = Access(url, url, "drill", "drill", "00000000-01", paper=False)
            broker = GuardianBroker(access, folder / "tokens", wall=lambda: clock[0])
            guardian = Guardian(folder, broker, monotonic=lambda: clock[0], wall=lambda: clock[0], kill=lambda _: None)
            checks.update(_rehearse(folder, kis, guardian, tick))
    except Exception as error:
        checks[f"ends_without_{type(error).__name__}"] = False
    finally:
        log.disabled = was_disabled
    return {"ok": all(checks.values()), "seconds": round(time.monotonic() - began, 2), "checks": checks}
