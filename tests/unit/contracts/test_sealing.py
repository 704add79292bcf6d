"""What is personal leaves the codec sealed, and opens only with the subject's key."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnihub.contracts.codec import Codec
from omnihub.contracts.errors import ContractError, Undecodable
from omnihub.contracts.ids import SchemaIds
from omnihub.contracts.sealing import MARK, REMEMBERED_S, Sealer, personal_fields
from omnihub.contracts.vault import KeyDestroyed, MemoryVault
from omnihub.model.errors import RejectedError
from omnihub.model.ids import DeliveryId, InstanceId, SubjectId, TenantId
from omnihub.model.personal import Personal
from omnihub.model.records import Contact, DeliveryKind, RawDelivery

ANN = "ann@example.com"


@pytest.fixture
def vault():
    return MemoryVault()


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def sealer(vault, clock):
    return Sealer(vault, now_s=lambda: clock[0])


@pytest.fixture
def codec(sealer):
    return Codec(SchemaIds.offline(), sealer)


def contact(subject="s1", email=ANN):
    return Contact(subject=SubjectId(subject), email=Personal(email), country="DE")


def delivery(body=b'{"email": "ann@example.com"}'):
    return RawDelivery(
        delivery_id=DeliveryId("d1"),
        tenant=TenantId("t"),
        connector="app",
        instance=InstanceId("app"),
        kind=DeliveryKind.WEBHOOK,
        stream="identify",
        name="m1",
        body=body,
        accepted_at_us=1,
    )


def test_a_marked_field_is_sealed_on_the_wire_and_its_neighbours_are_not(codec):
    value = codec.encode(contact())
    assert ANN.encode() not in value
    assert b"DE" in value


def test_who_has_the_keys_reads_what_was_written(codec, sealer):
    read = codec.decode(codec.encode(contact()))
    assert isinstance(read.email, bytes)
    assert read.email.startswith(MARK)
    assert sealer.open_record(read) == contact()


def test_sealed_again_it_is_the_same_byte_for_byte(codec):
    value = codec.encode(contact())
    assert codec.encode(codec.decode(value)) == value
    assert codec.encode(contact()) == value


def test_a_sealed_value_cannot_be_moved_to_another_person_or_field(codec, sealer, vault):
    read = codec.decode(codec.encode(contact()))
    vault.key("s2")
    with pytest.raises(Undecodable):
        sealer.open_record(msgspec.structs.replace(read, subject=SubjectId("s2")))
    with pytest.raises(Undecodable):
        sealer.open_record(msgspec.structs.replace(read, phone=read.email, email=None))


def test_two_people_with_one_address_seal_to_different_bytes(codec):
    one = codec.decode(codec.encode(contact("s1")))
    other = codec.decode(codec.encode(contact("s2")))
    assert one.email != other.email


def test_a_destroyed_key_leaves_nothing_to_read_and_is_never_made_again(
    codec, sealer, vault, clock
):
    value = codec.encode(contact())
    vault.destroy("s1")
    clock[0] += REMEMBERED_S
    assert sealer.open_record(codec.decode(value)) == Contact(subject=SubjectId("s1"), country="DE")
    with pytest.raises(KeyDestroyed):
        Sealer(vault).seal("s1", "Contact.email", b"x")


def test_without_a_sealer_nothing_personal_is_written():
    with pytest.raises(ContractError):
        Codec(SchemaIds.offline()).encode(contact())


def test_a_body_is_sealed_with_the_key_of_its_delivery(codec, sealer, vault, clock):
    value = codec.encode(delivery())
    assert ANN.encode() not in value
    read = codec.decode(value)
    assert sealer.open_body(read) == delivery()
    vault.destroy("d1")
    clock[0] += REMEMBERED_S
    with pytest.raises(RejectedError, match="erased"):
        sealer.open_body(read)


def test_a_sender_that_imitates_a_sealed_body_harms_itself_alone(codec, sealer):
    read = codec.decode(codec.encode(delivery(MARK + b"not sealed at all, but longer than a tag")))
    with pytest.raises(RejectedError):
        sealer.open_body(read)


@given(st.text(min_size=1, max_size=200))
def test_every_text_comes_back(text):
    sealer = Sealer(MemoryVault())
    codec = Codec(SchemaIds.offline(), sealer)
    told = contact(email=text)
    assert sealer.open_record(codec.decode(codec.encode(told))) == told


def test_personal_text_never_shows_itself():
    told = contact()
    assert ANN not in f"{told} {told!r} {told.email} {[told.email]}"
    assert personal_fields(Contact) == {"name", "email", "phone", "address"}
