"""The OpenAPI document against the real app: what it promises is what is answered.

schemathesis makes valid and invalid requests from the document and judges every answer: status,
content type, body, authentication, and that nothing is a server error.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    negative_data_rejection,
    positive_data_acceptance,
)

from omnihub.api.app import create_app
from omnihub.api.parts import Parts
from omnihub.broker.memory import MemoryLog
from omnihub.connect.ingress import Ingress
from omnihub.connect.kit import TOKENS
from omnihub.contracts.codec import Codec
from omnihub.contracts.sealing import Sealer
from omnihub.contracts.topics import Topics
from omnihub.contracts.vault import MemoryVault
from omnihub.model.ids import TenantId
from omnihub.ops.health import Health
from omnihub.ops.keys import Guard, KeyRing, Scope
from omnihub.ops.metrics import Metrics
from omnihub.views.fold import Fold
from omnihub.views.queries import Views
from omnihub.views.requests import Requests
from omnihub.views.schema import open_views

CHECKED_FURTHER = {
    "GET /v1/availability": "a channel or a location, not both",
    "POST /v1/orders": "sums that add up, a currency that exists, a key used once",
    "POST /v1/customers/search": "an address or number that somebody could have",
}


class _OneEvent:
    """A feed that ends after its first event: schemathesis reads answers to their end."""

    async def changes(self, *_: object) -> object:
        yield {}, None


def _hub(folder: Path) -> SimpleNamespace:
    log = MemoryLog(Topics.load())
    engine = open_views(f"sqlite:///{folder}/views.sqlite")
    Fold(engine, "memory")
    keys = KeyRing(folder)
    parts = Parts(
        tenant=TenantId("main"),
        instances=frozenset({"web"}),
        views=Views(engine, TenantId("main")),
        appender=log,
        feed=_OneEvent(),
        ingress=Ingress({}, log),
        guard=Guard(keys),
        metrics=Metrics(),
        health=Health("api"),
        targets=list,
        now_us=lambda: 0,
        tokens=TOKENS,
        sealer=Sealer(MemoryVault()),
        codec=Codec.offline(),
        topics=Topics.load(),
        body_of=lambda head: None,
        requests=Requests(engine),
        stores={},
    )
    return SimpleNamespace(app=create_app(parts), key=keys.add("admin", Scope.ADMIN))


@pytest.fixture(scope="module")
def hub() -> Iterator[SimpleNamespace]:
    with TemporaryDirectory() as folder:
        yield _hub(Path(folder))


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_answer_is_as_documented(hub, mode: GenerationMode) -> None:
    headers = {"Authorization": f"Bearer {hub.key}"}
    document = schemathesis.openapi.from_asgi("/v1/openapi.json", hub.app, headers=headers)
    operations = [found.ok() for found in document.get_all_operations()]
    if mode is GenerationMode.NEGATIVE:
        operations = [one for one in operations if _can_be_wrong(one)]
    assert len(operations) >= (27 if mode is GenerationMode.POSITIVE else 7)
    for operation in operations:
        _try(operation, mode, headers)


def _try(operation, mode: GenerationMode, headers: dict[str, str]) -> None:
    excluded = _beyond_openapi(operation)

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def answers_as_documented(case: schemathesis.Case) -> None:
        answer = case.call(headers=headers)
        # A body over the limit is refused before anyone reads it: schemathesis counts no 413.
        too_large = [negative_data_rejection] if answer.status_code == 413 else []
        case.validate_response(answer, headers=headers, excluded_checks=[*excluded, *too_large])

    answers_as_documented()


def _beyond_openapi(operation) -> list[object]:
    """No schema can say which cursor an answer gave, or what these operations check besides."""
    has_cursor = any(parameter.name == "cursor" for parameter in operation.query)
    return [positive_data_acceptance] if has_cursor or operation.label in CHECKED_FURTHER else []


def _can_be_wrong(operation) -> bool:
    """Tell whether wrong requests can be told from right ones: any text is a right query."""
    return "application/json" in operation.get_request_payload_content_types()


def test_the_document_is_openapi_3_1_with_an_answer_for_every_operation(hub) -> None:
    document = hub.app.openapi()
    assert document["openapi"].startswith("3.1")
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (method, path)
            assert any(code.startswith("2") for code in operation["responses"]), (method, path)
            for code, answer in operation["responses"].items():
                if code >= "400" and (code, path) != ("503", "/ready"):
                    assert list(answer["content"]) == ["application/problem+json"], (path, code)


def test_examples_fit_their_schemas(hub) -> None:
    document = hub.app.openapi()
    shown = 0
    for schema in document["components"]["schemas"].values():
        for example in schema.get("examples", ()):
            jsonschema.validate(example, {**schema, "components": document["components"]})
            shown += 1
    assert shown >= 9


def test_every_operation_with_security_is_guarded_by_a_scope(hub) -> None:
    document = hub.app.openapi()
    open_paths = {
        path
        for path, operations in document["paths"].items()
        for operation in operations.values()
        if not operation.get("security")
    }
    assert open_paths == {
        *("/live", "/v1/webhooks/{instance}", "/in/{instance}/{version}/{call}"),
    }
