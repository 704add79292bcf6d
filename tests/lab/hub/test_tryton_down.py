"""The ERP dies in the middle of a day's sales: nobody else waits, and its books are right after.

A hub of its own: tills of two stores, and a real Tryton that keeps the goods of one of them.
"""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from erp import Erp
from running_hub import Hub, without_trace
from till_files import counted, poslog, sold

from omnihub.broker.tcp import choose_free
from omnihub.model.ids import Sku

DOWN_S = float(os.environ.get("LAB_DOWN_S", "8"))
"""How long Tryton is away; longer by hand."""
RECOVERY_S = 75.0
"""The connector looks again after a minute at the latest."""
ERP_STORE, OTHER_STORE = "S61", "S1"
ERP_SKUS, OTHER_SKU = (Sku("E-1"), Sku("E-2"), Sku("E-3")), "D-1"
OPENING = 1000
PACE_S = 0.1


@dataclass
class Lab:
    """A hub and its ERP; every sale told has a number of its own."""

    hub: Hub
    erp: Erp
    receipts: int = 0

    def sell(self) -> None:
        """Sell one piece of each product of the ERP's store, and one in the other store."""
        self.receipts += 1
        number = self.receipts
        lines = [sold(number * 10 + n, sku, store=ERP_STORE) for n, sku in enumerate(ERP_SKUS)]
        self.hub.drop(f"erp-{number}.xml", poslog(*lines))
        self.hub.drop(f"other-{number}.xml", poslog(sold(number, OTHER_SKU, store=OTHER_STORE)))
        time.sleep(PACE_S)

    def left_milli(self) -> int:
        """Return what each product has left."""
        return (OPENING - self.receipts) * 1000

    def ready(self) -> httpx.Response:
        """Ask the ERP's connector how it is."""
        run = self.hub.run()
        port = self.hub.process("connector-erp")["port"]
        key = {"Authorization": f"Bearer {run['token']}"}
        answer = httpx.get(f"http://127.0.0.1:{port}/ready", headers=key)
        without_trace(answer.text)
        return answer

    def books_are_right(self) -> bool:
        """Tell whether Tryton has left what was not sold."""
        return self.erp.on_hand() == dict.fromkeys(ERP_SKUS, self.left_milli())


def config_of(folder: Path, erp: Erp) -> dict[str, Any]:
    """Return an installation with the tills of both stores and the ERP."""
    till = {"spool": str(folder / "spool"), "time_zone": "America/New_York"}
    known = {"sku": "identity", "location": "identity"}
    return {
        "api": {"port": choose_free("127.0.0.1")},
        "registry": {"port": 0},
        "workers": {"count": 1},
        "partitions": {"default": 2, "raw": 1},
        "channels": {"WEB": {"locations": [OTHER_STORE]}},
        "connectors": {
            "pos": {"type": "poslog", "owns": ["stock"], "map": known, "config": till},
            "erp": erp.settings(),
        },
    }


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """Everything is counted, and both know it."""
    with ExitStack() as closing:
        counts = dict.fromkeys(ERP_SKUS, OPENING)
        erp = Erp(tmp_path / "tryton", ERP_STORE, counts, date(2026, 11, 15))
        closing.callback(erp.server.stop)
        hub = Hub(tmp_path, config_of(tmp_path, erp), erp.secrets())
        closing.callback(lambda: without_trace(hub.shown.read_text()))
        hub.start()
        closing.callback(hub.stop)
        hub.drop("count.xml", poslog(counted(1, OTHER_SKU, OPENING, store=OTHER_STORE)))
        hub.until_on_hand(OTHER_SKU, OPENING * 1000, OTHER_STORE)
        for sku in ERP_SKUS:
            hub.until_on_hand(sku, OPENING * 1000, ERP_STORE)
        yield Lab(hub, erp)


def test_tryton_killed_in_the_middle_of_sales_gets_each_of_them_once(lab: Lab) -> None:
    hub, erp = lab.hub, lab.erp
    for _ in range(10):
        lab.sell()
    hub.until(lab.books_are_right, "the first sales are in the books")
    for _ in range(3):
        lab.sell()
    erp.server.kill()
    killed_at = time.monotonic()
    while time.monotonic() < killed_at + DOWN_S:
        lab.sell()

    told = hub.until(lambda: not_ready(lab), "its connector says that Tryton is away")
    print(f"/ready while Tryton is away: {told}")
    assert list(told) == ["erp"]
    assert "write: POST 127.0.0.1/omnihub/rpc/" in told["erp"]
    hub.until_on_hand(OTHER_SKU, lab.left_milli(), OTHER_STORE)
    for sku in ERP_SKUS:
        hub.until_on_hand(sku, lab.left_milli(), ERP_STORE)
    assert not erp.server.is_running()

    for _ in range(3):
        lab.sell()
    erp.server.start()
    began = time.monotonic()
    hub.until(lab.books_are_right, "every sale is in the books", RECOVERY_S)
    print(f"{lab.receipts * len(ERP_SKUS)} sales; the books were right {since(began)} s after")
    hub.settle()
    marks = erp.recorded()
    assert len(marks) == len(set(marks)) == erp.moved_lines() == lab.receipts * len(ERP_SKUS)
    assert erp.unfinished() == 0
    assert erp.on_hand() == {sku: hub.on_hand(sku, ERP_STORE) for sku in ERP_SKUS}
    assert hub.get("/v1/hospital").json()["items"] == []
    assert hub.get("/v1/rejected").json()["items"] == []
    hub.until(lambda: "write: " not in lab.ready().text, "its connector writes again")
    assert hub.process("connector-erp")["restarts"] == 0


def not_ready(lab: Lab) -> dict[str, str]:
    """Return the failing systems and why, once there are any; the hub's own parts all work."""
    answer = lab.ready()
    assert answer.json()["failing"] == {}
    return dict(answer.json()["failing_outside"]) if answer.status_code == 503 else {}


def since(moment: float) -> str:
    return f"{time.monotonic() - moment:.1f}"
