"""`omnihub hospital`: choosing, planning and asking, over a list of parked records in memory."""

import json

import pytest
from typer.testing import CliRunner

from omnihub.cli import hospital as commands
from omnihub.cli import parked as module
from omnihub.cli.main import build_app
from omnihub.cli.output import Exit
from omnihub.contracts.codec import Codec
from omnihub.model.ids import DeliveryId, EventId, InstanceId, TenantId
from omnihub.model.records import (
    ActOutcome,
    DeliveryKind,
    HospitalActed,
    ParkedBody,
    ParkedRecord,
    RawDelivery,
    ReleaseAction,
)

RAW, CODEC = "omni.raw.poslog.v1", Codec.offline()
NOW_US = 10_000_000_000_000


def parked(park_key, index=0, error_class="Unmapped", instance="pos", age_s=0):
    return ParkedRecord(
        task="split-poslog",
        park_key=park_key,
        queue_index=index,
        topic=RAW,
        partition=1,
        offset=40 + index,
        record_type="RawDelivery",
        error_class=error_class,
        error="no canonical id",
        cure="omnihub map set",
        attempts=1,
        parked_at_us=NOW_US - age_s * 1_000_000,
        accepted_at_us=0,
        instance=InstanceId(instance),
    )


def delivery(body=b"<broken"):
    return RawDelivery(
        delivery_id=DeliveryId("d"),
        tenant=TenantId("main"),
        connector="poslog",
        instance=InstanceId("pos"),
        kind=DeliveryKind.FILE,
        stream="spool",
        name="a.xml",
        body=body,
        accepted_at_us=0,
    )


class Desk:
    """The hospital as the commands find it; remembers what was asked of it."""

    def __init__(self) -> None:
        self.parked = [
            parked("a"),
            parked("a", 1, "Behind"),
            parked("b", error_class="KeyError", age_s=7200),
            parked("c", instance="web"),
        ]
        self.asked = []
        self.outcome = ActOutcome.DONE
        self.answers = True

    def run(self, *words, **options):
        return CliRunner().invoke(build_app(), ["hospital", *words], **options)

    async def ask(self, install, requests, on_sent):
        self.asked += [request for _, request in requests]
        on_sent(len(requests))

    async def outcomes(self, install, requests, since, wait_s, on_done):
        return [self.acted(request) for _, request in requests] if self.answers else []

    def acted(self, request):
        return HospitalActed(
            event_id=EventId("e"),
            request_id=request.request_id,
            task=request.task,
            park_key=request.park_key,
            action=request.action,
            outcome=self.outcome,
            requested_by=request.requested_by,
            reason=request.reason,
            requested_at_us=0,
            accepted_at_us=0,
            topic=RAW,
            partition=1,
            records=1,
            remaining=0,
            original=b"was",
        )

    def bodies(self, install, codec, queue):
        return {
            one.queue_index: ParkedBody(
                topic=RAW,
                partition=1,
                offset=one.offset,
                key=b"main:d",
                value=CODEC.encode(delivery()),
                timestamp_ms=0,
                error_class="e",
                error="e",
                cure="c",
                attempts=1,
                parked_at_us=0,
            )
            for one in queue
        }


@pytest.fixture
def desk(tmp_path, monkeypatch):
    desk = Desk()

    async def parked_in(install):
        return desk.parked

    async def acts_on(install, task, park_key):
        return [desk.acted(request) for request in desk.asked]

    (tmp_path / "omnihub.yaml").write_text("version: 1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(commands, "parked_in", parked_in)
    doubles = {
        "parked_in": parked_in,
        "acts_on": acts_on,
        "ask": desk.ask,
        "outcomes": desk.outcomes,
        "bodies_of": desk.bodies,
        "event_ends": lambda install: {},
        "codec_of": lambda install: CODEC,
        "_now_us": lambda: NOW_US,
    }
    for name, double in doubles.items():
        monkeypatch.setattr(module, name, double)
    return desk


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        ((), ["a", "a", "b", "c"]),
        (("--task", "split-poslog"), ["a", "a", "b", "c"]),
        (("--task", "stock"), []),
        (("--error-class", "Unmapped"), ["a", "c"]),
        (("--instance", "web"), ["c"]),
        (("--older-than", "1h"), ["b"]),
        (("--older-than", "3h"), []),
    ],
)
def test_the_list_is_narrowed_by_task_reason_system_and_age(desk, words, keys) -> None:
    shown = desk.run("list", *words, "--json")
    assert [row["park_key"] for row in json.loads(shown.stdout)] == keys


def test_counts_tell_how_much_waits_for_which_reason(desk) -> None:
    counts = json.loads(desk.run("list", "--counts", "--json").stdout)
    told = [(one["error_class"], one["records"], one["queues"]) for one in counts]
    assert told == [("Behind", 1, 1), ("KeyError", 1, 1), ("Unmapped", 2, 2)]


@pytest.mark.parametrize("command", ["retry", "release", "skip"])
@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (("split-poslog", "a"), ["a"]),
        (("--error-class", "Unmapped"), ["a", "c"]),
        (("--instance", "pos", "--older-than", "1h"), ["b"]),
        (("--all",), ["a", "b", "c"]),
    ],
)
def test_an_act_is_asked_of_the_heads_that_are_meant(desk, command, words, keys) -> None:
    done = desk.run(command, *words, "--reason", "why", "--json")
    assert done.exit_code == Exit.OK, done.output
    assert [request.park_key for request in desk.asked] == keys
    assert {request.head_offset for request in desk.asked} == {40}
    assert {request.action for request in desk.asked} == {ReleaseAction(command.upper())}
    assert json.loads(done.stdout)["queues"] == len(keys)


def test_a_dry_run_tells_the_queues_and_asks_nothing(desk) -> None:
    told = json.loads(desk.run("release", "--all", "--dry-run", "--json").stdout)
    assert [one["park_key"] for one in told["queues"]] == ["a", "b", "c"]
    shown = desk.run("skip", "--all", "--reason", "x", "--dry-run")
    assert "would be asked for 3 queues. Nothing was asked." in shown.stderr
    assert desk.asked == []


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("split-poslog",),
        ("split-poslog", "a", "--all"),
        ("--task", "split-poslog", "--all"),
        ("--older-than", "soon"),
    ],
)
def test_whoever_does_not_say_which_is_asked_to(desk, words) -> None:
    done = desk.run("release", *words)
    assert done.exit_code != Exit.OK
    assert desk.asked == []


def test_nothing_parked_is_exit_1_and_a_skip_needs_its_reason(desk) -> None:
    assert desk.run("release", "split-poslog", "none").exit_code == Exit.FAILED
    assert desk.run("skip", "split-poslog", "a").exit_code == Exit.USAGE
    assert desk.asked == []


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (ActOutcome.DONE, Exit.OK),
        (ActOutcome.STOPPED, Exit.FAILED),
        (ActOutcome.MOVED_ON, Exit.FAILED),
        (ActOutcome.REFUSED, Exit.FAILED),
    ],
)
def test_what_came_of_it_decides_the_exit_code(desk, outcome, code) -> None:
    desk.outcome = outcome
    assert desk.run("retry", "split-poslog", "a").exit_code == code


def test_an_outcome_that_is_not_there_in_time_is_no_failure(desk) -> None:
    desk.answers = False
    assert desk.run("retry", "split-poslog", "a").exit_code == Exit.OK


def test_the_same_request_id_names_the_same_requests(desk) -> None:
    for _ in range(2):
        desk.run("release", "--error-class", "Unmapped", "--request-id", "mine")
    first, other, *again = [request.request_id for request in desk.asked]
    assert again == [first, other]
    assert first != other


def test_a_queue_is_shown_with_its_content_and_its_acts(desk) -> None:
    desk.run("retry", "split-poslog", "a", "--reason", "tried")
    told = json.loads(desk.run("show", "split-poslog", "a", "--json").stdout)
    assert told["waiting"] == 2
    assert told["records"][0]["content"]["record"]["body"] == "text:<broken"
    [act] = told["acts"]
    assert (act["reason"], act["outcome"]) == ("tried", "DONE")
    assert "original" not in act
    one = json.loads(desk.run("show", "split-poslog", "a", "--limit", "1", "--json").stdout)
    assert (one["waiting"], len(one["records"])) == (2, 1)
    assert "RETRY by" in desk.run("show", "split-poslog", "a").stdout
    assert desk.run("show", "split-poslog", "none").exit_code == Exit.FAILED


def test_an_edit_from_a_file_carries_the_new_record(desk, tmp_path) -> None:
    shown = json.loads(desk.run("show", "split-poslog", "a", "--json").stdout)
    content = shown["records"][0]["content"]
    content["record"]["body"] = "text:<mended/>"
    (tmp_path / "mended.json").write_text(json.dumps(content))
    words = ("edit", "split-poslog", "a", "--from", "mended.json", "--reason", "by hand")
    assert desk.run(*words, "--dry-run").exit_code == Exit.OK
    assert desk.asked == []
    assert desk.run(*words).exit_code == Exit.OK
    [request] = desk.asked
    assert (request.action, request.head_offset) == (ReleaseAction.EDIT, 40)
    assert CODEC.decode(request.value) == delivery(b"<mended/>")


def test_an_edit_in_the_editor_that_changes_nothing_asks_nothing(desk, monkeypatch) -> None:
    monkeypatch.setenv("EDITOR", "true")
    done = desk.run("edit", "split-poslog", "a", "--reason", "x")
    assert (done.exit_code, desk.asked) == (Exit.OK, [])
    monkeypatch.setenv("EDITOR", "sed -i -e s/broken/mended/")
    assert desk.run("edit", "split-poslog", "a", "--reason", "x").exit_code == Exit.OK
    assert CODEC.decode(desk.asked[0].value).body == b"<mended"


@pytest.mark.parametrize("text", ["no json", "[]", '{"type": "RawDelivery", "record": {}}'])
def test_an_edit_that_does_not_fit_asks_nothing(desk, text) -> None:
    done = desk.run("edit", "split-poslog", "a", "--from", "-", "--reason", "x", input=text)
    assert done.exit_code != Exit.OK
    assert desk.asked == []
