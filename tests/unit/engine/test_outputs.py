"""Outputs: where a record goes follows from the contract alone."""

import pytest

from omnihub.contracts.codec import Codec
from omnihub.contracts.errors import ContractError
from omnihub.contracts.partition import partition_for
from omnihub.contracts.topics import Topics
from omnihub.engine.outputs import LARGEST_VALUE_BYTES, Outputs
from omnihub.model.errors import ParkError
from omnihub.model.ids import LocationId, Sku, TenantId
from omnihub.model.records import ParkedQueue, ParkedRecord, StockLevel, TimerDue

STATE, HOSPITAL = "omni.stock.state.v1", "omni.hospital.state.v1"


@pytest.fixture
def outputs():
    return Outputs(Topics.load(), Codec.offline(), lambda *_: None, lambda *_: None)


def level(sku, location="shop"):
    return StockLevel(
        tenant=TenantId("t"),
        sku=Sku(sku),
        location=LocationId(location),
        on_hand_milli=0,
        ats_milli=0,
        seq=1,
        cause_id="c",
        occurred_at_us=0,
        accepted_at_us=0,
    )


def parked(park_key, error=""):
    return ParkedRecord(
        task="stock",
        park_key=park_key,
        queue_index=0,
        topic="t",
        partition=0,
        offset=0,
        record_type="StockMoved",
        error_class="E",
        error=error,
        cure="",
        attempts=1,
        parked_at_us=0,
        accepted_at_us=0,
    )


def test_all_rows_of_a_sku_go_to_one_partition_under_their_own_keys(outputs):
    outputs.begin(1_234)
    for location in ("shop", "warehouse"):
        outputs.emit(STATE, level("apple", location))
    first, second = outputs.staged
    assert (first[2], second[2]) == (b"t:apple:shop", b"t:apple:warehouse")
    assert first[1] == second[1] == partition_for(b"t:apple", 4)
    assert first[4] == 1_234


def test_a_tombstone_follows_its_record(outputs):
    outputs.emit(HOSPITAL, parked("sku:with:colons"))
    outputs.remove(HOSPITAL, "stock:sku:with:colons:0")
    shown, gone = outputs.staged
    assert shown[:3] == gone[:3]
    assert gone[3] is None


def test_the_engine_may_name_the_partition_of_its_own_inbox(outputs):
    due = TimerDue(name="n", key="k", timer_id="t", due_at_us=0, fired_at_us=0)
    outputs.emit("omni.stock.inbox.v1", due, 5)
    assert outputs.staged[0][1] == 5


def test_a_failed_record_takes_back_only_its_own(outputs):
    outputs.begin(1)
    outputs.emit(STATE, level("a"))
    outputs.begin(2)
    outputs.emit(STATE, level("b"))
    outputs.drop_record()
    assert [output[2] for output in outputs.staged] == [b"t:a:shop"]


def test_what_the_broker_would_refuse_is_refused_before_it_spoils_a_transaction(outputs):
    with pytest.raises(ParkError, match=r"ParkedRecord for omni\.hospital"):
        outputs.emit(HOSPITAL, parked("k", error="x" * (LARGEST_VALUE_BYTES + 1)))
    assert outputs.staged == []


def test_a_topic_takes_only_its_own_records(outputs):
    with pytest.raises(ContractError):
        outputs.emit(STATE, ParkedQueue(first_index=0, next_index=0))
