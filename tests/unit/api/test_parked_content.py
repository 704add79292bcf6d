"""A parked record as JSON: it comes back as it was, and what does not fit is told by its place."""

import pytest

from omnihub.api.parked_content import content_of, original_of, record_of, record_told, shown
from omnihub.contracts.codec import Codec
from omnihub.contracts.ids import SchemaIds
from omnihub.contracts.sealing import Sealer
from omnihub.contracts.topics import Topics
from omnihub.contracts.vault import MemoryVault
from omnihub.model.errors import RejectedError
from omnihub.model.ids import DeliveryId, InstanceId, SubjectId, TenantId
from omnihub.model.personal import Personal
from omnihub.model.records import (
    ActOutcome,
    Contact,
    DeliveryKind,
    HospitalActed,
    ParkedBody,
    RawDelivery,
    ReleaseAction,
)

RAW = "omni.raw.poslog.v1"
TOPICS = Topics.load()


@pytest.fixture
def vault() -> MemoryVault:
    return MemoryVault()


@pytest.fixture
def sealer(vault: MemoryVault) -> Sealer:
    return Sealer(vault)


@pytest.fixture
def codec(sealer: Sealer) -> Codec:
    return Codec(SchemaIds.offline(), sealer)


def delivery(body: bytes = b"<POSLog/>") -> RawDelivery:
    return RawDelivery(
        delivery_id=DeliveryId("d-1"),
        tenant=TenantId("main"),
        connector="poslog",
        instance=InstanceId("pos"),
        kind=DeliveryKind.FILE,
        stream="spool",
        name="till.xml",
        headers={"a": "b"},
        body=body,
        accepted_at_us=7,
    )


def parked(value: bytes, key: bytes = b"main:d-1") -> ParkedBody:
    return ParkedBody(
        topic=RAW,
        partition=0,
        offset=3,
        key=key,
        value=value,
        timestamp_ms=0,
        error_class="BadDelivery",
        error="e",
        cure="c",
        attempts=1,
        parked_at_us=0,
    )


def test_what_was_shown_and_not_changed_is_the_same_record(codec, sealer) -> None:
    for body in (b"<POSLog/>", b"\xff\xfe", b""):
        value = codec.encode(delivery(body))
        for opened in (None, sealer):
            told = content_of(parked(value), codec, opened)
            again = record_told(told, TOPICS.spec(RAW), parked(value), codec)
            assert codec.encode(again) == value


def test_a_sealed_body_is_opened_with_the_right_alone(codec, sealer) -> None:
    body = parked(codec.encode(delivery()))
    closed, opened = content_of(body, codec), content_of(body, codec, sealer)
    assert closed["record"]["body"].startswith("sealed:")
    assert "POSLog" not in str(closed)
    assert opened["record"]["body"] == "text:<POSLog/>"


def test_a_body_whose_key_was_destroyed_stays_closed(codec, sealer, vault) -> None:
    body = parked(codec.encode(delivery()))
    vault.destroy("d-1")
    fresh = Sealer(vault)
    assert content_of(body, codec, fresh)["record"]["body"].startswith("sealed:")


def test_a_mended_body_is_sealed_again(codec, sealer) -> None:
    body = parked(codec.encode(delivery(b"<broken")))
    told = content_of(body, codec, sealer)
    told["record"]["body"] = "text:<mended/>"
    value = codec.encode(record_told(told, TOPICS.spec(RAW), body, codec))
    assert b"mended" not in value
    assert sealer.open_body(codec.decode(value)).body == b"<mended/>"


def test_personal_fields_are_opened_mended_and_sealed_with_the_right_alone(codec, sealer) -> None:
    contact = Contact(subject=SubjectId("s-1"), name=Personal("Ada"))
    sealed = codec.decode(codec.encode(contact))
    assert shown(sealed)["name"].startswith("sealed:")
    told = shown(sealed, sealer)
    assert told["name"] == "personal:Ada"
    told["name"] = "personal:Eve"
    again = codec.decode(codec.encode(record_of(Contact, told)))
    assert sealer.open_record(again).name == Personal("Eve")


def test_personal_text_cannot_go_past_the_seal(codec) -> None:
    told = {"subject": "s-1", "name": "text:Ada"}
    with pytest.raises(RejectedError, match="record/name must be text that begins with personal:"):
        record_of(Contact, told)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"accepted_at_us": "secret"}, "record/accepted_at_us must be int"),
        ({"kind": "secret"}, "record/kind must be DeliveryKind"),
        ({"body": "secret"}, "record/body must be text that begins with text:"),
        ({"body": "base64:secret!"}, "record/body is no base64"),
        ({"body": "sealed:c2VjcmV0"}, "record/body is not sealed"),
        ({"headers": ["secret"]}, "record/headers must be"),
        ({"extra": "secret"}, "record/extra RawDelivery has no such field"),
        ({"delivery_id": "secret"}, "record must keep its key"),
    ],
)
def test_what_does_not_fit_is_told_by_its_place_and_never_by_its_value(
    codec, change, place
) -> None:
    body = parked(codec.encode(delivery()))
    told = content_of(body, codec)
    told["record"] |= change
    with pytest.raises(RejectedError) as refused:
        record_told(told, TOPICS.spec(RAW), body, codec)
    assert place in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_missing_field_and_another_type_are_refused(codec) -> None:
    body = parked(codec.encode(delivery()))
    told = content_of(body, codec)
    del told["record"]["name"]
    with pytest.raises(RejectedError, match="record/name is missing"):
        record_told(told, TOPICS.spec(RAW), body, codec)
    for kind in ("SourceEntity", "Nothing", None, ["x"]):
        with pytest.raises(RejectedError, match="type must be one of"):
            record_told({"type": kind, "record": {}}, TOPICS.spec(RAW), body, codec)
    timer = {"name": "n", "key": "main:d-1", "timer_id": "t", "due_at_us": 1, "fired_at_us": 1}
    with pytest.raises(RejectedError, match="type must stay RawDelivery"):
        record_told({"type": "TimerDue", "record": timer}, TOPICS.spec(RAW), body, codec)
    with pytest.raises(RejectedError, match="must be an object"):
        record_told([], TOPICS.spec(RAW), body, codec)


def test_what_nobody_can_read_is_told_without_fields_and_may_get_a_meaning(codec) -> None:
    body = parked(b"garbage")
    assert content_of(body, codec) == {"type": "", "record": None}
    told = {"type": "RawDelivery", "record": shown(delivery())}
    assert record_told(told, TOPICS.spec(RAW), body, codec) == delivery()


def test_what_an_edit_replaced_is_opened_with_the_right_alone(codec, sealer) -> None:
    act = HospitalActed(
        event_id="e-1",
        request_id="r",
        task="split-poslog",
        park_key="k",
        action=ReleaseAction.EDIT,
        outcome=ActOutcome.DONE,
        requested_by="eve",
        reason="mended",
        requested_at_us=0,
        accepted_at_us=0,
        topic=RAW,
        partition=0,
        records=0,
        remaining=1,
        record_type="RawDelivery",
        original=codec.encode(delivery()),
    )
    kept = codec.decode(codec.encode(act))
    assert original_of(kept, codec, None) == {"type": "RawDelivery", "record": None}
    assert original_of(kept, codec, sealer)["record"]["body"] == "text:<POSLog/>"
