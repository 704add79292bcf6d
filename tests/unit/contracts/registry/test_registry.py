"""The embedded registry answers as Confluent documents, and its topic alone rebuilds it."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from omnihub.contracts.registry.app import MEDIA_TYPE, registry_app
from omnihub.contracts.registry.service import Registry
from omnihub.model.errors import RetryableError

Reply = tuple[int, Any]


class ListLog:
    """A SchemaLog in memory that can be told to fail."""

    def __init__(self) -> None:
        self.records: list[tuple[bytes | None, bytes | None]] = []
        self.failing = False
        self.lost_answer = False

    def read_all(self) -> Sequence[tuple[bytes | None, bytes | None]]:
        if self.failing:
            raise RetryableError("no broker")
        return list(self.records)

    def append(self, records: Sequence[tuple[bytes, bytes | None]]) -> None:
        if self.failing:
            raise RetryableError("no broker")
        self.records += records
        if self.lost_answer:
            self.lost_answer = False
            raise RetryableError("written, but the answer was lost")

    def compacted(self) -> "ListLog":
        """What is left after compaction."""
        newest = {}
        for key, value in self.records:
            newest.pop(key, None)
            newest[key] = value
        left = ListLog()
        left.records = [(key, value) for key, value in newest.items() if value is not None]
        return left


class Caller:
    """Calls of a registry over `log` as (status, JSON)."""

    def __init__(self, log: ListLog) -> None:
        self._app = registry_app(Registry(log))

    def get(self, path: str) -> Reply:
        return self._reply(self.send("GET", path))

    def delete(self, path: str) -> Reply:
        return self._reply(self.send("DELETE", path))

    def put(self, path: str, **body: Any) -> Reply:
        return self._reply(self.send("PUT", path, json=body))

    def post(self, path: str, schema: Any, **more: Any) -> Reply:
        text = schema if isinstance(schema, str) else json.dumps(schema)
        return self._reply(self.send("POST", path, json={"schema": text, **more}))

    def register(self, subject: str, schema: Any) -> Reply:
        return self.post(f"/subjects/{subject}/versions", schema)

    def send(self, method: str, path: str, **body: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://registry") as client:
                return await client.request(method, path, **body)

        return asyncio.run(ask())

    def _reply(self, answer: httpx.Response) -> Reply:
        assert answer.headers["content-type"] == MEDIA_TYPE
        return answer.status_code, answer.json()


def record(*fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": "R", "namespace": "o", "fields": list(fields), **more}


A = {"name": "a", "type": "string"}
B = {"name": "b", "type": "int", "default": 0}
B_BARE = {"name": "b", "type": "int"}
V1, V2, BAD = record(A), record(A, B), record(A, B_BARE)


@pytest.fixture
def log() -> ListLog:
    return ListLog()


@pytest.fixture
def call(log: ListLog) -> Caller:
    return Caller(log)


class TestSubjectsAndIds:
    """Registration, look-up, listing."""

    def test_the_same_schema_has_one_id_in_every_subject_and_notation(self, call: Caller) -> None:
        spaced = json.dumps(
            {"fields": [{"type": {"type": "string"}, "name": "a"}], **V1}, indent=4, sort_keys=True
        )
        assert call.register("s1", V1) == (200, {"id": 1})
        assert call.register("s1", spaced) == (200, {"id": 1})
        assert call.register("s2", V1) == (200, {"id": 1})
        assert call.register("s2", V2) == (200, {"id": 2})
        assert call.get("/subjects") == (200, ["s1", "s2"])
        assert call.get("/subjects?subjectPrefix=s2") == (200, ["s2"])
        assert call.get("/subjects/s1/versions") == (200, [1])
        assert call.get("/subjects/s2/versions") == (200, [1, 2])
        assert call.get("/schemas/ids/1/versions") == (
            200,
            [{"subject": "s1", "version": 1}, {"subject": "s2", "version": 1}],
        )
        assert call.get("/schemas/ids/2/subjects") == (200, ["s2"])

    def test_versions_and_schemas_come_back_as_text(self, call: Caller) -> None:
        call.register("s", V1)
        call.register("s", V2)
        text = json.dumps(V2, separators=(",", ":"))
        shown = {"subject": "s", "version": 2, "id": 2, "schema": text}
        assert call.get("/subjects/s/versions/2") == (200, shown)
        assert call.get("/subjects/s/versions/latest") == (200, shown)
        assert call.get("/subjects/s/versions/-1") == (200, shown)
        assert call.get("/subjects/s/versions/latest/schema") == (200, V2)
        assert call.get("/schemas/ids/2") == (200, {"schema": text})
        assert call.get("/schemas/ids/2/schema") == (200, V2)
        assert call.get("/schemas?latestOnly=true") == (200, [shown])
        assert call.post("/subjects/s", V2) == (200, shown)
        assert call.get("/subjects/s/versions/2/referencedby") == (200, [])
        assert call.get("/schemas/types") == (200, ["AVRO"])

    @pytest.mark.parametrize(
        ("path", "code", "message"),
        [
            ("/subjects/none/versions", 40401, "Subject 'none' not found."),
            ("/subjects/none/versions/1", 40401, "Subject 'none' not found."),
            ("/subjects/s/versions/9", 40402, "Version 9 not found."),
            ("/schemas/ids/99", 40403, "Schema 99 not found"),
            ("/subjects/s/versions/abc", 42202, "'abc' is not a valid version id"),
            ("/subjects/s/versions/0", 42202, "'0' is not a valid version id"),
            ("/subjects/s/versions/2147483648", 42202, "is not a valid version id"),
            ("/config/s", 40408, "does not have subject-level compatibility configured"),
            ("/mode/s", 40409, "does not have subject-level mode configured"),
            ("/nowhere", 404, "HTTP 404 Not Found"),
        ],
    )
    def test_what_is_not_there_has_confluents_code(
        self, call: Caller, path: str, code: int, message: str
    ) -> None:
        call.register("s", V1)
        status, body = call.get(path)
        assert (status, body["error_code"]) == (int(str(code)[:3]), code)
        assert message in body["message"]

    def test_looking_up_what_the_subject_lacks(self, call: Caller) -> None:
        call.register("s", V1)
        assert call.post("/subjects/s", V2)[1]["error_code"] == 40403
        assert call.post("/subjects/none", V2)[1]["error_code"] == 40401

    @pytest.mark.parametrize(
        "body",
        [
            {"schema": "nope"},
            {"schema": '{"type": "nothing"}'},
            {"schema": ""},
            {},
            {"schema": 7},
            {"schema": "{}", "schemaType": "JSON"},
            {"schema": '"string"', "references": [{"name": "x", "subject": "s", "version": 1}]},
        ],
        ids=str,
    )
    def test_no_avro_is_42201(self, call: Caller, body: dict[str, Any]) -> None:
        answer = call.send("POST", "/subjects/s/versions", json=body)
        assert (answer.status_code, answer.json()["error_code"]) == (422, 42201)

    def test_a_body_that_is_no_json_is_a_400_and_no_trace(self, call: Caller) -> None:
        answer = call.send("POST", "/subjects/s/versions", content=b"\xff{")
        assert (answer.status_code, answer.json()["error_code"]) == (400, 400)


class TestCompatibility:
    """Levels and verdicts."""

    def test_an_incompatible_schema_is_refused_with_the_field(self, call: Caller) -> None:
        call.register("s", V1)
        status, body = call.register("s", BAD)
        assert (status, body["error_code"]) == (409, 409)
        assert "reader_field_missing_default_value at /fields/1: b" in body["message"]
        assert call.get("/subjects/s/versions") == (200, [1])

    @pytest.mark.parametrize(
        ("level", "versions", "new", "fits"),
        [
            ("BACKWARD", [V1], V2, True),
            ("BACKWARD", [V1], BAD, False),
            ("FORWARD", [V1], BAD, True),
            ("FORWARD", [BAD], V1, False),
            ("FULL", [V1], V2, True),
            ("FULL", [V1], BAD, False),
            ("NONE", [V1], record({"name": "a", "type": "int"}), True),
            ("BACKWARD", [V1, V2], BAD, True),
            ("BACKWARD_TRANSITIVE", [V1, V2], BAD, False),
            ("FORWARD", [BAD, V2], V1, True),
            ("FORWARD_TRANSITIVE", [BAD, V2], V1, False),
            ("FULL_TRANSITIVE", [V1, V2], BAD, False),
        ],
    )
    def test_levels(
        self, call: Caller, level: str, versions: list[Any], new: Any, fits: bool
    ) -> None:
        call.put("/config", compatibility="NONE")
        for one in versions:
            call.register("s", one)
        assert call.put("/config/s", compatibility=level) == (200, {"compatibility": level})
        status, verdict = call.post("/compatibility/subjects/s/versions?verbose=true", new)
        assert (status, verdict["is_compatible"]) == (200, fits)
        assert bool(verdict["messages"]) is not fits
        assert call.register("s", new)[0] == (200 if fits else 409)

    def test_a_verdict_against_one_version(self, call: Caller) -> None:
        call.register("s", V1)
        call.register("s", V2)
        path = "/compatibility/subjects/s/versions"
        assert call.post(f"{path}/latest", BAD) == (200, {"is_compatible": True})
        assert call.post(f"{path}/1", BAD) == (200, {"is_compatible": False})
        assert call.post(f"{path}/7", BAD)[1]["error_code"] == 40402
        nothing = "/compatibility/subjects/none/versions/latest?verbose=true"
        assert call.post(nothing, BAD) == (200, {"is_compatible": True, "messages": []})

    def test_levels_are_inherited_set_and_dropped(self, call: Caller) -> None:
        assert call.get("/config") == (200, {"compatibilityLevel": "BACKWARD"})
        assert call.put("/config", compatibility="full") == (200, {"compatibility": "FULL"})
        assert call.get("/config/s?defaultToGlobal=true") == (200, {"compatibilityLevel": "FULL"})
        call.put("/config/s", compatibility="NONE")
        assert call.get("/config/s") == (200, {"compatibilityLevel": "NONE"})
        assert call.delete("/config/s") == (200, {"compatibility": "NONE"})
        assert call.get("/config/s")[1]["error_code"] == 40408
        assert call.put("/config", compatibility="SIDEWAYS")[1]["error_code"] == 42203
        assert call.put("/config")[1]["error_code"] == 42203

    def test_read_only_refuses_new_schemas_and_finds_old_ones(self, call: Caller) -> None:
        call.register("s", V1)
        assert call.put("/mode", mode="READONLY") == (200, {"mode": "READONLY"})
        assert call.register("s", V2)[1]["error_code"] == 42205
        assert call.register("s", V1) == (200, {"id": 1})
        assert call.put("/mode", mode="SOMETIMES")[1]["error_code"] == 42204


class TestDeletion:
    """Soft first, then for good."""

    def test_a_subject(self, call: Caller) -> None:
        call.register("s", V1)
        call.register("s", V2)
        assert call.delete("/subjects/s?permanent=true")[1]["error_code"] == 40405
        assert call.delete("/subjects/s") == (200, [1, 2])
        assert call.get("/subjects") == (200, [])
        assert call.get("/subjects?deleted=true") == (200, ["s"])
        assert call.get("/subjects/s/versions")[1]["error_code"] == 40401
        assert call.get("/subjects/s/versions/1?deleted=true")[0] == 200
        assert call.get("/schemas/ids/1")[0] == 200
        assert call.delete("/subjects/s")[1]["error_code"] == 40404
        assert call.delete("/subjects/s?permanent=true") == (200, [1, 2])
        assert call.get("/subjects?deleted=true") == (200, [])
        assert call.delete("/subjects/s")[1]["error_code"] == 40401

    def test_a_version(self, call: Caller) -> None:
        call.register("s", V1)
        call.register("s", V2)
        assert call.delete("/subjects/s/versions/2?permanent=true")[1]["error_code"] == 40407
        assert call.delete("/subjects/s/versions/latest") == (200, 2)
        assert call.get("/subjects/s/versions") == (200, [1])
        assert call.delete("/subjects/s/versions/2")[1]["error_code"] == 40406
        assert call.delete("/subjects/s/versions/2?permanent=true") == (200, 2)
        assert call.delete("/subjects/s/versions/2")[1]["error_code"] == 40402

    def test_a_deleted_schema_comes_back_with_its_id_and_a_new_version(self, call: Caller) -> None:
        call.register("s", V1)
        call.delete("/subjects/s")
        assert call.register("s", V1) == (200, {"id": 1})
        assert call.get("/subjects/s/versions") == (200, [2])


class TestItsTopic:
    """The topic is Confluent's, and all there is."""

    def test_records_are_confluents_json(self, call: Caller, log: ListLog) -> None:
        call.register("s", V1)
        call.put("/config/s", compatibility="FULL")
        call.delete("/subjects/s")
        shown = [
            (json.loads(key or b""), json.loads(value or b"null")) for key, value in log.records
        ]
        text = json.dumps(V1, separators=(",", ":"))
        assert shown == [
            (
                {"keytype": "SCHEMA", "subject": "s", "version": 1, "magic": 1},
                {"subject": "s", "version": 1, "id": 1, "schema": text, "deleted": False},
            ),
            (
                {"keytype": "CONFIG", "subject": "s", "magic": 0},
                {"compatibilityLevel": "FULL"},
            ),
            (
                {"keytype": "DELETE_SUBJECT", "subject": "s", "magic": 0},
                {"subject": "s", "version": 1},
            ),
            ({"keytype": "CONFIG", "subject": "s", "magic": 0}, None),
        ]

    def test_a_new_registry_on_the_same_topic_knows_the_same(
        self, call: Caller, log: ListLog
    ) -> None:
        call.register("kept", V1)
        call.register("kept", V2)
        call.register("gone", record(A, name="Other"))
        call.delete("/subjects/gone")
        call.delete("/subjects/kept/versions/1")
        call.put("/config", compatibility="FULL_TRANSITIVE")
        paths = [
            "/subjects?deleted=true",
            "/subjects",
            "/subjects/kept/versions?deleted=true",
            "/schemas/ids/1",
            "/schemas/ids/3",
            "/config",
        ]
        before = [call.get(path) for path in paths]
        for same in (log, log.compacted()):
            again = Caller(same)
            assert [again.get(path) for path in paths] == before

    def test_what_confluents_own_registry_writes_is_understood(self, log: ListLog) -> None:
        log.records += [
            (b'{"keytype":"NOOP","magic":0}', None),
            (b'{"keytype":"CONTEXT","tenant":"x","context":"y","magic":0}', b'{"tenant":"x"}'),
            (
                b'{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}',
                b'{"subject":"s","version":1,"id":100001,"md5":"x","schema":"\\"string\\"",'
                b'"deleted":false,"schemaType":"AVRO","references":[]}',
            ),
        ]
        call = Caller(log)
        assert call.get("/schemas/ids/100001") == (200, {"schema": '"string"'})
        assert call.register("t", V1) == (200, {"id": 100002})

    def test_a_silent_topic_is_50001_and_the_next_call_sees_the_truth(
        self, call: Caller, log: ListLog
    ) -> None:
        call.register("s", V1)
        log.lost_answer = True
        assert call.register("s", V2)[1]["error_code"] == 50001
        assert call.get("/subjects/s/versions") == (200, [1, 2])
        log.failing = True
        assert call.register("s", record(A, B, name="R"))[0] == 200
        assert call.register("t", V1)[1]["error_code"] == 50001
        assert call.get("/subjects")[1]["error_code"] == 50001
        log.failing = False
        assert call.get("/subjects") == (200, ["s"])
