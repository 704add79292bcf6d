"""The suites: subclass those that fit, give the fixture `subject`, and pytest does the rest.

    class TestKit(ConfigSuite, MappingSuite, SourceSuite):
        @pytest.fixture
        def subject(self) -> Subject: ...

`SourceSuite`, `FolderSuite` and `SinkSuite` are in `omnihub.connect.kit.systems`.

Guarantees: each check but three (missing key, wrong type, truncated webhook) has been seen to fail
on a connector that is broken for it: see tests/unit/connect/test_kit.py.
Does not: kill processes or measure; those checks come with a later version.
"""

from typing import Any, get_origin

import pytest
from pydantic import ValidationError

from omnihub.connect.errors import BadSignature
from omnihub.connect.kit import TOKENS
from omnihub.connect.kit.subject import Subject
from omnihub.connect.sdk import Delivery, Fact, Mapping, State
from omnihub.connect.webhooks import WebhookScheme, sign, verify
from omnihub.contracts.codec import Codec
from omnihub.contracts.ids import SchemaIds
from omnihub.contracts.sealing import Sealer
from omnihub.contracts.topics import Topics
from omnihub.contracts.vault import MemoryVault
from omnihub.model.record import Record
from omnihub.model.records import SourceEntity

_NOT_A_VALUE: Any = {"no": ["such", {"value": 1}]}
_MALFORMED = ("", "=", ",", "v1", "t=,v1=", "sha256=", "\x00", "é", "\ud800", "A" * 10_000)


class ConfigSuite:
    """Configuration: what is valid stays valid, what is not names its path."""

    def test_a_valid_configuration_survives_a_round_trip(self, subject: Subject) -> None:
        """Dump and read again gives an equal configuration."""
        model = subject.connector.config_type
        config = model.model_validate(dict(subject.config))
        assert model.model_validate(config.model_dump()) == config

    def test_an_unknown_key_is_an_error_at_its_path(self, subject: Subject) -> None:
        """Misspelt keys are never ignored."""
        assert ("no_such_key",) in _faults(subject, {**subject.config, "no_such_key": 1})

    def test_a_missing_required_key_is_an_error_at_its_path(self, subject: Subject) -> None:
        """Each required key, left out alone."""
        for name, info in subject.connector.config_type.model_fields.items():
            if info.is_required():
                without = {key: v for key, v in subject.config.items() if key != name}
                assert (name,) in _faults(subject, without), name

    def test_a_value_of_the_wrong_kind_is_an_error_at_its_path(self, subject: Subject) -> None:
        """Each key, given nonsense."""
        for name, info in subject.connector.config_type.model_fields.items():
            if get_origin(info.annotation) is dict or info.annotation in (dict, Any):
                continue
            faults = _faults(subject, {**subject.config, name: _NOT_A_VALUE})
            assert any(fault[0] == name for fault in faults), name


class MappingSuite:
    """The pure half: same input, same output, and nothing of the delivery in what it names."""

    def test_the_mapping_is_pure(self, subject: Subject) -> None:
        """Twice by one mapping and once by another gives equal results."""
        one, other = _mapping(subject), _mapping(subject)
        for delivery in _samples(subject):
            raw = subject.raw(delivery)
            entities = one.split(raw)
            assert entities == one.split(raw) == other.split(raw)
            for entity in entities:
                told = one.translate(entity, subject.refs)
                assert told == one.translate(entity, subject.refs)
                assert told == other.translate(entity, subject.refs)

    def test_names_come_from_the_source_and_not_from_the_delivery(self, subject: Subject) -> None:
        """The same content by another delivery has the same entities and natural ids."""
        mapping = _mapping(subject)
        for delivery in _samples(subject):
            first, again = (_named(mapping, subject, delivery, telling) for telling in (1, 2))
            assert first == again

    def test_every_event_has_an_inbox_and_fits_its_schema(self, subject: Subject) -> None:
        """What translate returns can be written."""
        sealer = Sealer(MemoryVault(), seals_bodies=False)
        topics, codec = Topics.load(), Codec(SchemaIds.offline(), sealer)
        events = list(_events(subject))
        assert events, "the samples lead to no event at all"
        for event in events:
            assert topics.inbox_of(type(event))
            assert sealer.open_record(codec.decode(codec.encode(event))) == event

    def test_event_ids_are_unique(self, subject: Subject) -> None:
        """Two events never share an id."""
        for delivery in _samples(subject):
            ids = _ids(subject, delivery)
            assert len(ids) == len(set(ids))


class WebhookSuite:
    """Webhooks: what is proven is taken, anything else is `BadSignature`."""

    def test_a_signed_body_is_verified(self, subject: Subject) -> None:
        """With every live secret."""
        scheme, headers, body = _signed(subject)
        verify(scheme, headers, body, 1.0)

    def test_a_changed_or_truncated_body_is_refused(self, subject: Subject) -> None:
        """Every prefix, and one more byte."""
        scheme, headers, body = _signed(subject)
        for other in [*(body[:size] for size in range(len(body))), body + b" "]:
            with pytest.raises(BadSignature):
                verify(scheme, headers, other, 1.0)

    def test_a_missing_or_malformed_proof_is_refused(self, subject: Subject) -> None:
        """Never another error, whatever the header says."""
        scheme, headers, body = _signed(subject)
        without = {key: v for key, v in headers.items() if key != scheme.signature_header}
        for proof in _MALFORMED:
            with pytest.raises(BadSignature):
                verify(scheme, without | {scheme.signature_header: proof}, body, 1.0)
        with pytest.raises(BadSignature):
            verify(scheme, without, body, 1.0)


def _faults(subject: Subject, config: Any) -> list[tuple[int | str, ...]]:
    with pytest.raises(ValidationError) as caught:
        subject.connector.config_type.model_validate(config)
    return [fault["loc"] for fault in caught.value.errors(include_input=False)]


def _mapping(subject: Subject) -> Mapping[Any]:
    config = subject.connector.config_type.model_validate(dict(subject.config))
    return subject.connector.mapping_type(config, TOKENS)


def _samples(subject: Subject) -> list[Delivery]:
    assert subject.samples, "the subject brings no samples"
    return list(subject.samples)


def _told(
    mapping: Mapping[Any], subject: Subject, delivery: Delivery, telling: int
) -> list[tuple[SourceEntity, Fact | State]]:
    return [
        (entity, each)
        for entity in mapping.split(subject.raw(delivery, telling))
        for each in mapping.translate(entity, subject.refs)
    ]


def _named(mapping: Mapping[Any], subject: Subject, delivery: Delivery, telling: int) -> list[Any]:
    return [
        (
            entity.type,
            entity.entity_id,
            each.natural_id if isinstance(each, Fact) else (each.resource, each.version),
            [event.meta.event_id for event in each.events],  # type: ignore[attr-defined]
        )
        for entity, each in _told(mapping, subject, delivery, telling)
    ]


def _events(subject: Subject) -> list[Record]:
    mapping = _mapping(subject)
    return [
        event
        for delivery in _samples(subject)
        for _, each in _told(mapping, subject, delivery, 1)
        for event in each.events
    ]


def _ids(subject: Subject, delivery: Delivery) -> list[str]:
    named = _named(_mapping(subject), subject, delivery, 1)
    return [event_id for *_, event_ids in named for event_id in event_ids]


def _signed(subject: Subject) -> tuple[WebhookScheme, dict[str, str], bytes]:
    config = subject.connector.config_type.model_validate(dict(subject.config))
    scheme = subject.connector.webhook(config)
    assert scheme is not None, "the connector has no webhook scheme"
    body = subject.samples[0].body if subject.samples else b"{}"
    return scheme, sign(scheme, body, message_id="kit", timestamp="1"), body
