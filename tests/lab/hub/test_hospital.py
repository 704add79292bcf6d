"""The hospital from the command line: a broken till file is shown, mended, and released once."""

import json
import os
import signal
from typing import Any

import pytest
from running_hub import Hub
from till_files import counted, poslog

BROKEN = "<POSLog><Transaction><RetailStoreID>367</Transaction></POSLog>"


class Case:
    """One parked delivery."""

    def __init__(self, hub: Hub, name: str) -> None:
        self.hub = hub
        hub.drop(name, BROKEN)
        (row,) = hub.until(lambda: hub.parked(f"file {name}"), f"{name} is parked")
        self.names = (row["task"], row["park_key"])
        self.row = row

    def show(self, *words: str) -> dict[str, Any]:
        """Return what `omnihub hospital show` tells."""
        return dict(self.hub.command_json("hospital", "show", *self.names, *words))

    def acts(self) -> list[tuple[str, str]]:
        """Return what was done about it, as the API tells."""
        params = {"task": self.names[0], "park_key": self.names[1]}
        told = self.hub.get("/v1/hospital/queue", **params).json()["acts"]
        return [(one["action"], one["outcome"]) for one in told]


@pytest.fixture
def case(hub: Hub, request: pytest.FixtureRequest) -> Case:
    return Case(hub, f"{request.node.name}.xml")


def test_a_broken_file_is_shown_mended_and_released_though_the_worker_died(
    hub: Hub, case: Case
) -> None:
    assert BROKEN not in json.dumps(case.show())
    content = case.show("--personal")["records"][0]["content"]
    assert content["record"]["body"] == f"text:{BROKEN}"
    content["record"]["body"] = "text:" + poslog(counted(1400, "T-14", 6))
    (hub.folder / "mended.json").write_text(json.dumps(content))
    edit = ("hospital", "edit", *case.names, "--from", "mended.json", "--reason", "by hand")
    assert hub.command(*edit, "--dry-run").returncode == 0
    assert case.acts() == []
    done = hub.command(*edit)
    assert done.returncode == 0, done.stderr
    worker = hub.process("worker-0")["pid"]
    os.kill(worker, signal.SIGKILL)
    hub.until(lambda: hub.process("worker-0")["pid"] not in (worker, None), "a new worker")
    released = hub.command("hospital", "release", *case.names, "--wait", "30")
    assert released.returncode == 0, released.stderr
    hub.until_on_hand("T-14", 6_000)
    hub.until(lambda: case.acts() == [("EDIT", "DONE"), ("RELEASE", "DONE")], "both are told")
    assert hub.command("hospital", "show", *case.names).returncode == 1


def test_what_is_asked_twice_is_done_once_and_a_skip_says_who_and_why(case: Case) -> None:
    hub, twice = case.hub, ("hospital", "retry", *case.names, "--request-id", "r-1")
    for _ in range(2):
        hub.command(*twice, "--wait", "2")
    told = case.show()
    assert [one["attempts"] for one in told["records"]] == [2]
    assert [one["outcome"] for one in told["acts"]] == ["STOPPED"]
    assert BROKEN not in json.dumps(told)
    (act,) = hub.command_json(
        "hospital", "skip", *case.names, "--reason", "sent again by the till", "--wait", "30"
    )["acts"]
    assert (act["reason"], act["records"], act["remaining"]) == ("sent again by the till", 1, 0)
    again = hub.command("hospital", "skip", *case.names, "--reason", "x")
    assert again.returncode == 1
