"""Split, translate and outbound in the hospital: parked by their keys, in order, without payload.

The shipped handlers on the engine's test driver, over a log in memory.
"""

import json
from typing import Any

import pytest
from pydantic import BaseModel, field_validator
from structlog.testing import capture_logs

from omnihub.connect.split import Split
from omnihub.connect.translate import Translate
from omnihub.connect.understanding import Understanding, understand
from omnihub.contracts.codec import Codec
from omnihub.contracts.topics import Topics
from omnihub.engine.driver import TestDriver
from omnihub.model.errors import ParkError, Unmapped
from omnihub.model.ids import ChannelId, InstanceId, LocationId, MovementId, Sku, TenantId
from omnihub.model.records import (
    CommandResult,
    LevelDesired,
    MovementDesired,
    MovementKind,
    Outcome,
    ParkedRecord,
    RecordMovement,
    ReleaseAction,
    ReleaseParked,
    SetStockLevel,
    StockMoved,
)
from omnihub.rules.outbound import OutboundRule

RAW, ENTITY, OUTBOUND = "omni.raw.diary.v1", "omni.entity.diary.v1", "omni.outbound.inbox.v1"
COMMANDS, HOSPITAL = "omni.command.web.v1", ("omni.hospital.state.v1", "omni.hospital.event.v1")
SECRET = "ada@example.org"


class Refs:
    """Every code is canonical but those that are missing."""

    channel = ChannelId("web")

    def __init__(self) -> None:
        self.missing = {"new"}

    def resolve(self, kind: str, code: str) -> str:
        if code in self.missing:
            raise Unmapped("diary", kind, code)
        return code


class Play(TestDriver):
    """The driver with the words of these tests."""

    def parked(self) -> list[ParkedRecord]:
        shown = [r for r in self.state(HOSPITAL[0]).values() if isinstance(r, ParkedRecord)]
        return sorted(shown, key=lambda r: (r.task, r.park_key, r.queue_index))

    def queues(self) -> list[tuple[str, str, int, str]]:
        return [(r.task, r.park_key, r.queue_index, r.error_class) for r in self.parked()]

    def act(self, action: ReleaseAction, head: ParkedRecord) -> None:
        request = ReleaseParked(
            task=head.task,
            park_key=head.park_key,
            action=action,
            requested_by="ops",
            reason="test",
            requested_at_us=0,
            request_id=f"{action}:{head.offset}:{head.attempts}",
        )
        value = self.codec.encode(request)
        self.log.write(head.topic, head.partition, head.park_key.encode(), value, 0)
        self.run()

    def hospital_bytes(self) -> bytes:
        """Return everything that the hospital's topics hold: keys, values, headers."""
        return b"".join(
            repr((stored.key, stored.value, stored.headers)).encode()
            for topic in HOSPITAL
            for lane in range(self.topics.spec(topic).partitions)
            for stored in self.log.read(topic, lane)
        )


@pytest.fixture
def refs() -> Refs:
    return Refs()


@pytest.fixture
def play(understanding, refs) -> Play:
    known = {InstanceId("diary"): understanding(refs=refs)}
    topics = Topics.load()
    handlers = [Split("diary", known), Translate("diary", known, topics.inbox_of)]
    return Play(handlers, topics, codec=Codec.offline())


def sale(number: int, sku: str) -> dict[str, Any]:
    return {"type": "sale", "id": number, "sku": sku, "quantity": 1}


def test_a_delivery_that_cannot_be_cut_waits_alone(play, diary_raw) -> None:
    play.append(RAW, diary_raw(b"no json", delivery_id="d1"))
    play.append(RAW, diary_raw([sale(1, "apple")], delivery_id="d2"))
    play.run()
    assert play.queues() == [("split-diary", "t:diary:d1", 0, "BadDelivery")]
    assert [e.sku for e in play.records("omni.stock.inbox.v1", StockMoved)] == ["apple"]


def test_what_is_told_of_one_entity_waits_in_order_and_others_go_on(play, refs, diary_raw) -> None:
    told = [sale(1, "new"), sale(2, "apple"), sale(1, "new"), sale(2, "apple")]
    for number, note in enumerate(told):
        play.append(RAW, diary_raw([note], delivery_id=f"d{number}"))
    play.run()
    assert play.queues() == [
        ("translate-diary", "t:diary:sale:1", 0, "Unmapped"),
        ("translate-diary", "t:diary:sale:1", 1, "Behind"),
    ]
    assert {(r.instance, r.waits_for) for r in play.parked()[:1]} == {("diary", "diary/sku/new")}
    refs.missing = set()
    play.act(ReleaseAction.RELEASE, play.parked()[0])
    assert play.queues() == []
    events = play.records("omni.stock.inbox.v1", StockMoved)
    assert sorted(e.sku for e in events) == ["apple", "new"]  # Each fact counts once.


# -- refused commands -----------------------------------------------------------------------------


def level(seq: int, sku: str = "4711") -> LevelDesired:
    return LevelDesired(
        tenant=TenantId("t"),
        instance=InstanceId("web"),
        target=sku,
        cause_id=f"e-{seq}",
        accepted_at_us=seq,
        sku=Sku(sku),
        channel=ChannelId("web"),
        quantity_milli=seq * 1000,
        seq=seq,
    )


def movement(name: str, target: str = "shop") -> MovementDesired:
    return MovementDesired(
        tenant=TenantId("t"),
        instance=InstanceId("web"),
        target=target,
        cause_id=f"e-{name}",
        accepted_at_us=0,
        movement_id=MovementId(name),
        sku=Sku("4711"),
        kind=MovementKind.RECEIPT,
        to_location=LocationId(target),
        quantity_milli=1000,
        occurred_at_us=0,
    )


def result_of(command: Any, outcome: Outcome = Outcome.DONE) -> CommandResult:
    return CommandResult(
        command_id=command.command_id,
        tenant=command.tenant,
        instance=command.instance,
        target=command.target,
        outcome=outcome,
        error_class="Refused" if outcome is Outcome.REFUSED else None,
        message="no such product",
        cure="add it in the shop",
        accepted_at_us=0,
        finished_at_us=0,
    )


@pytest.fixture
def outbound() -> Play:
    return Play([OutboundRule()], Topics.load(), codec=Codec.offline())


def sent(play: Play, kind: Any) -> list[Any]:
    return play.records(COMMANDS, kind)


def test_a_refused_value_parks_its_target_and_the_newest_is_shown_once_released(outbound) -> None:
    play = outbound
    play.append(OUTBOUND, level(1))
    play.run()
    play.append(OUTBOUND, result_of(sent(play, SetStockLevel)[0], Outcome.REFUSED))
    play.append(OUTBOUND, level(2))
    play.append(OUTBOUND, level(1, "other"))
    play.run()
    assert play.queues() == [
        ("outbound", "web:4711", 0, "ParkError"),
        ("outbound", "web:4711", 1, "Behind"),
    ]
    assert [c.target for c in sent(play, SetStockLevel)] == ["4711", "other"]
    assert (play.parked()[0].instance, play.parked()[0].cure) == ("web", "add it in the shop")
    play.restart()
    play.act(ReleaseAction.RELEASE, play.parked()[0])
    again = [c for c in sent(play, SetStockLevel) if c.target == "4711"]
    play.append(OUTBOUND, result_of(again[-1]))
    play.run()
    told = [c.seq for c in sent(play, SetStockLevel) if c.target == "4711"]
    assert (told[0], told[-1]) == (1, 2)
    assert told == sorted(told)
    assert play.queues() == []


def test_facts_behind_a_refused_one_keep_their_order_whichever_act_frees_them(outbound) -> None:
    for action in (ReleaseAction.RELEASE, ReleaseAction.SKIP):
        play = Play([OutboundRule()], Topics.load(), codec=Codec.offline())
        play.append(OUTBOUND, movement("m1"))
        play.run()
        play.append(OUTBOUND, result_of(sent(play, RecordMovement)[0], Outcome.REFUSED))
        for name, target in (("m2", "shop"), ("x1", "depot"), ("m3", "shop")):
            play.append(OUTBOUND, movement(name, target))
        play.run()
        assert [c.movement_id for c in sent(play, RecordMovement)] == ["m1", "x1"]
        play.act(action, play.parked()[0])
        again = ["m1"] if action is ReleaseAction.RELEASE else []
        at_shop = [c.movement_id for c in sent(play, RecordMovement) if c.target == "shop"]
        assert at_shop == ["m1", *again, "m2", "m3"]
        ids = {c.movement_id: c.command_id for c in sent(play, RecordMovement)}
        assert all(ids[c.movement_id] == c.command_id for c in sent(play, RecordMovement))


# -- nothing of a payload -------------------------------------------------------------------------


class Person(BaseModel):
    """A model whose own words quote what they refuse."""

    name: str
    kind: dict[str, int] = {}

    @field_validator("name")
    @classmethod
    def _known(cls, value: str) -> str:
        raise ValueError(f"nobody is called {value}")


def leaks(text: str) -> list[Any]:
    """Return functions that fail in the ways of careless code, each with `text` in its words."""

    def of_value(*_: Any) -> Any:
        raise ValueError(text)

    def of_key(*_: Any) -> Any:
        return {}[text]

    def of_chain(*_: Any) -> Any:
        try:
            raise ValueError(text)
        except ValueError as error:
            raise RuntimeError(f"again {text}") from error

    def of_model(*_: Any) -> Any:
        return Person.model_validate({"name": text})

    def of_key_in_model(*_: Any) -> Any:
        return Person.model_validate({"name": 1, "kind": {text: "x"}})

    def of_class(*_: Any) -> Any:
        raise type("Odd", (Exception,), {"__str__": lambda self: text})()

    def of_unicode(*_: Any) -> Any:
        return text.encode().decode("utf-16")

    return [of_value, of_key, of_chain, of_model, of_key_in_model, of_class, of_unicode]


@pytest.mark.parametrize("leak", leaks(SECRET), ids=lambda leak: leak.__name__)
@pytest.mark.parametrize("place", ["split", "translate"])
def test_no_words_of_a_failure_reach_the_hospital_or_the_log(
    understanding, diary_raw, place, leak
) -> None:
    known = understanding()
    leaky = type("Leaky", (type(known.mapping),), {place: leak})(known.mapping.config)
    instances = {InstanceId("diary"): Understanding(leaky, known.refs, known.owns)}
    topics = Topics.load()
    handlers = [Split("diary", instances), Translate("diary", instances, topics.inbox_of)]
    play = Play(handlers, topics, codec=Codec.offline())
    note = {**sale(1, "apple"), "email": SECRET}
    with capture_logs() as logged:
        play.append(RAW, diary_raw([note]))
        play.run()
        [head] = play.parked()
        for action in (ReleaseAction.RETRY, ReleaseAction.RELEASE):
            play.act(action, play.parked()[0])
        play.act(ReleaseAction.SKIP, play.parked()[0])
    assert head.task == f"{place}-diary"
    shown = play.hospital_bytes()
    assert b"HospitalActed" in shown
    for part in (SECRET, "ada", "example"):
        assert part.encode() not in shown
        assert part not in json.dumps(logged, default=str)


def test_words_of_a_models_own_check_are_not_told() -> None:
    with pytest.raises(ParkError) as parked:
        understand(lambda: Person.model_validate({"name": SECRET, "kind": {SECRET: "x"}}))
    assert SECRET not in str(parked.value)
    assert "name: value_error" in str(parked.value)
