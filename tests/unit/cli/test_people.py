"""The commands for orders and customers, over a view that was folded from an in-memory log."""

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from omnihub.broker.memory import MemoryLog
from omnihub.cli.main import run
from omnihub.cli.output import Exit
from omnihub.contracts.codec import Codec
from omnihub.contracts.ids import SchemaIds
from omnihub.contracts.topics import Topics
from omnihub.model.records import OrderStatus
from omnihub.views.fold import TOPICS, Fold
from omnihub.views.schema import open_views
from omnihub.wiring.installation import open_installation
from omnihub.wiring.privacy import sealer_of, tokens_of, vault_of
from tests.unit.views.examples import (
    ADAS,
    EMAIL,
    cart,
    fulfilment,
    link,
    order,
    profile,
    redirect,
    reservation,
)

BASKET = {
    "channel": "web",
    "currency": "EUR",
    "payment": "PAID",
    "lines": [],
    "total_minor": 398,
    "contact": {"email": EMAIL},
}


@dataclass(frozen=True)
class Done:
    code: int
    stdout: str
    stderr: str


@pytest.fixture
def omnihub(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Done]:
    """The command line in this process, ended as `omnihub` ends."""
    monkeypatch.chdir(folder)

    def omnihub(*arguments: str, told: str = "") -> Done:
        monkeypatch.setattr(sys, "argv", ["omnihub", *arguments])
        monkeypatch.setattr(sys, "stdin", StringIO(told))
        with pytest.raises(SystemExit) as ended:
            run()
        return Done(int(ended.value.code or 0), *capsys.readouterr())

    return omnihub


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation with two orders and a customer who was merged; nothing runs."""
    folder = tmp_path_factory.mktemp("installation")
    (folder / "omnihub.yaml").write_text(f"data_dir: {folder}/data\n")
    asyncio.run(_fill(folder))
    return folder


async def _fill(folder: Path) -> None:
    install = open_installation(folder / "omnihub.yaml", {})
    log = MemoryLog(Topics.load(), Codec(SchemaIds.offline(), sealer_of(install)))
    tokens = tokens_of(install, vault_of(install))
    refused = order("2", 2, status=OrderStatus.REFUSED, reason="not_enough_stock", number="N-1")
    for topic, *records in (
        ("omni.order.state.v1", order("1", 1), refused, order("3", 3)),
        ("omni.fulfilment.state.v1", fulfilment("1")),
        ("omni.reservation.state.v1", reservation("1")),
        ("omni.profile.state.v1", profile("c1", tokens=tokens)),
        ("omni.identity.state.v1", link("s-ada", "c1")),
        ("omni.customer.redirect.state.v1", redirect("c0", "c1")),
        ("omni.cart.state.v1", cart("k1")),
    ):
        for record in records:
            await log.append(topic, record)
    Fold(open_views(install.views_url), "log").apply(await log.read_all(TOPICS))


def answer(done: Done) -> Any:
    assert done.code == 0, done.stderr
    return json.loads(done.stdout)


def test_orders_are_listed_newest_first_and_filtered(omnihub) -> None:
    def listed(*options: str) -> list[str]:
        done = omnihub("order", "list", *options, "--json")
        return [one["order_id"] for one in answer(done)]

    assert listed() == ["3", "2", "1"]
    assert listed("--status", "REFUSED") == ["2"]
    assert listed("--customer", "c0", "--limit", "1") == ["3"]
    assert "not_enough_stock" in omnihub("order", "list").stdout


def test_an_order_is_shown_by_its_id_or_its_number(omnihub) -> None:
    shown = answer(omnihub("order", "show", "N-3", "--json"))
    assert (shown["order_id"], shown["lines"][0]["sku"]) == ("3", "4711")
    text = omnihub("order", "show", "1").stdout
    assert "CONFIRMED" in text
    assert "ALLOCATED" in text
    two = omnihub("order", "show", "N-1")
    assert (two.code, "1 (shop), 2 (shop)" in two.stderr) == (Exit.FAILED, True)
    assert omnihub("order", "show", "none").code == Exit.FAILED


@pytest.mark.parametrize("command", [("order", "show", "1"), ("customer", "show", "c0")])
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_what_is_personal_is_shown_on_demand_only(omnihub, command, form) -> None:
    hidden = omnihub(*command, *form)
    assert hidden.code == 0
    assert not [value for value in ADAS if value in hidden.stdout + hidden.stderr]
    shown = omnihub(*command, "--personal", *form)
    assert all(value in shown.stdout for value in ADAS)


def test_a_customer_is_found_by_a_value_that_is_piped_in(omnihub) -> None:
    done = omnihub("customer", "find", "--email", "-", "--json", told=f"{EMAIL}\n")
    assert [one["customer_id"] for one in json.loads(done.stdout)] == ["c1"]
    nobody = omnihub("customer", "find", "--email", "bob@example.org")
    assert nobody.code == Exit.FAILED
    assert "bob" not in nobody.stdout + nobody.stderr
    assert omnihub("customer", "find").code == Exit.USAGE


def test_another_master_key_opens_nothing_and_says_so(omnihub, folder: Path) -> None:
    key = folder / "data" / "master.key"
    kept = key.read_bytes()
    try:
        key.write_bytes(b"A" * 86 + b"==\n")
        done = omnihub("order", "show", "1", "--personal")
    finally:
        key.write_bytes(kept)
    assert done.code == Exit.USAGE
    assert "privacy.master_key" in done.stderr
    assert not [value for value in ADAS if value in done.stdout + done.stderr]


def test_a_wrong_order_file_names_the_fields_and_not_the_values(omnihub, folder: Path) -> None:
    (folder / "order.json").write_text(json.dumps(BASKET))
    done = omnihub("order", "place", "order.json", "--key", "k")
    assert done.code == Exit.USAGE
    assert "lines: List should have at least 1 item" in done.stderr
    assert EMAIL not in done.stderr
    assert omnihub("order", "place", "none.json", "--key", "k").code == 2


def test_without_a_broker_nothing_is_placed_and_the_cure_is_told(omnihub, folder: Path) -> None:
    line = {"line_id": "1", "sku": "4711", "quantity_milli": 1000}
    line |= {"unit_price_minor": 398, "total_minor": 398}
    (folder / "order.json").write_text(json.dumps({**BASKET, "lines": [line]}))
    for command in (
        ("order", "place", "order.json", "--key", "k"),
        ("order", "cancel", "1", "--reason", "changed_mind"),
        ("order", "fulfil", "1", "--location", "S1", "--status", "SHIPPED"),
    ):
        done = omnihub(*command)
        assert done.code != 0
        assert "omnihub up" in done.stderr
        assert "Traceback" not in done.stderr
