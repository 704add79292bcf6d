"""After a key is destroyed: what it sealed is refused as `erased`, and nothing waits for it."""

import json

import pytest

from omnihub.connect.entities import event_meta, source_entity
from omnihub.connect.kit import TOKENS
from omnihub.connect.personal import contact_of
from omnihub.connect.sdk import ConnectorConfig, Mapping, State
from omnihub.connect.split import Split
from omnihub.connect.translate import Translate
from omnihub.connect.understanding import REJECTED_TOPIC, Understanding
from omnihub.contracts.codec import Codec
from omnihub.contracts.ids import SchemaIds
from omnihub.contracts.sealing import REMEMBERED_S, Sealer
from omnihub.contracts.vault import MemoryVault
from omnihub.engine.driver import TestDriver
from omnihub.model.ids import InstanceId, TenantId
from omnihub.model.records import (
    CustomerObserved,
    DeliveryKind,
    ParkedRecord,
    RawDelivery,
    Rejected,
    SourceEntity,
)

RAW, ENTITIES = "omni.raw.diary.v1", "omni.entity.diary.v1"
CUSTOMERS, HOSPITAL = "omni.customer.inbox.v1", "omni.hospital.state.v1"
DIARY = InstanceId("diary")
NOW_US = 1_700_000_000_000_000


class People(Mapping[ConnectorConfig]):
    """A page is a list of persons, each with a number and an e-mail address."""

    def split(self, delivery):
        persons = json.loads(delivery.body)
        return [
            source_entity(delivery, "person", str(p["id"]), json.dumps(p).encode(), p["v"])
            for p in persons
        ]

    def translate(self, entity, refs):
        person = json.loads(entity.body)
        subject = subject_of(entity.entity_id)
        observed = CustomerObserved(
            meta=event_meta(entity, "person", NOW_US, version=entity.version),
            subject=subject,
            identifiers=(),
            contact=contact_of(self.tokens, subject, email=person["email"]),
        )
        return [State("person", entity.version, (observed,))]


def subject_of(number):
    return TOKENS.subject(DIARY, "person", number)


def page(delivery_id, *persons):
    return RawDelivery(
        delivery_id=delivery_id,
        tenant=TenantId("t"),
        connector="diary",
        instance=DIARY,
        kind=DeliveryKind.POLL,
        stream="pages",
        name=delivery_id,
        body=json.dumps(persons).encode(),
        accepted_at_us=NOW_US,
    )


def person(number, v=1):
    return {"id": number, "v": v, "email": f"person{number}+{v}@example.com"}


class Hub:
    """Split and translate over sealed topics; time passes as the test says."""

    def __init__(self, refs, topics):
        self.vault, self.now_s = MemoryVault(), 0.0
        sealer = Sealer(self.vault, now_s=lambda: self.now_s)
        known = {DIARY: Understanding(People(ConnectorConfig(), TOKENS), refs)}
        handlers = [
            Split("diary", known, sealer.open_body),
            Translate(
                "diary", known, topics.inbox_of, open_body=sealer.open_body, digest=TOKENS.digest
            ),
        ]
        codec = Codec(SchemaIds.offline(), sealer)
        self.driver = TestDriver(handlers, topics, codec=codec, now_us=NOW_US)

    def destroy(self, key_id):
        """Destroy a key, and let every process notice."""
        self.vault.destroy(key_id)
        self.now_s += REMEMBERED_S

    def tell(self, *deliveries):
        for each in deliveries:
            self.driver.append(RAW, each)
        self.driver.run()

    def told_of(self, number):
        """Return the versions that were told of a person."""
        known = self.driver.records(CUSTOMERS, CustomerObserved)
        return sorted(e.meta.version for e in known if e.subject == subject_of(str(number)))

    @property
    def refusals(self):
        return self.driver.records(REJECTED_TOPIC, Rejected)

    @property
    def parked(self):
        return self.driver.records(HOSPITAL, ParkedRecord)


@pytest.fixture
def hub(understanding, topics):
    return Hub(understanding().refs, topics)


def test_a_delivery_whose_key_is_gone_is_refused_and_its_neighbours_are_told(hub):
    hub.driver.append(RAW, page("erased", person(1)))
    hub.driver.append(RAW, page("kept", person(2)))
    hub.destroy("erased")
    hub.driver.run()
    (refusal,) = hub.refusals
    assert (refusal.reason_code, refusal.meta.cause_id) == ("erased", "erased")
    assert (hub.told_of(1), hub.told_of(2)) == ([], [1])
    assert hub.parked == []


def test_an_entity_whose_delivery_was_erased_in_between_is_refused_and_the_next_is_told(hub):
    hub.driver.append(ENTITIES, source_entity(page("erased"), "person", "1", b"{}", 1))
    hub.destroy("erased")
    hub.tell(page("later", person(1, v=2)))
    assert [refusal.reason_code for refusal in hub.refusals] == ["erased"]
    assert hub.told_of(1) == [2]
    assert hub.parked == []


def test_an_erased_person_who_is_told_of_again_is_refused_and_nobody_waits(hub):
    hub.tell(page("first", person(1), person(2)))
    hub.destroy(subject_of("1"))
    hub.tell(page("second", person(1, v=2), person(2, v=2)))
    hub.tell(page("third", person(1, v=3), person(2, v=3)))
    assert {(r.reason_code, r.meta.source) for r in hub.refusals} == {("erased", "translate-diary")}
    assert len(hub.refusals) == 2
    assert (hub.told_of(1), hub.told_of(2)) == ([1], [1, 2, 3])
    assert hub.parked == []


def test_no_refusal_repeats_what_was_erased(hub):
    hub.tell(page("first", person(1)))
    hub.destroy(subject_of("1"))
    hub.tell(page("second", person(1, v=2)))
    assert "person1+" not in repr(hub.refusals)
    assert len(hub.driver.records(ENTITIES, SourceEntity)) == 2
