"""The registry's REST API, as Confluent documents it.

Guarantees: paths, bodies, content type and error codes that Confluent's clients expect. Does not:
references, contexts, JSON Schema or Protobuf; those answer 42201 or an empty list.
"""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError

from omnihub.contracts.registry import faults
from omnihub.contracts.registry.faults import RegistryFault
from omnihub.contracts.registry.service import Registry
from omnihub.contracts.registry.state import Registered

MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"


def registry_app(registry: Registry) -> FastAPI:
    """Return the ASGI application over `registry`."""
    app = FastAPI(title="OmniHub schema registry", default_response_class=_Json, docs_url=None)

    @app.exception_handler(RegistryFault)
    async def _fault(_: Request, fault: RegistryFault) -> Response:
        return _Json({"error_code": fault.code, "message": str(fault)}, fault.status)

    @app.exception_handler(RequestValidationError)
    @app.exception_handler(404)
    async def _no_path(request: Request, _: Exception) -> Response:
        return _Json({"error_code": 404, "message": f"HTTP 404 Not Found: {request.url.path}"}, 404)

    for routes in (_subjects, _schemas, _settings, _compatibility):
        app.include_router(routes(registry))
    return app


class _Json(Response):
    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        return json.dumps(content, separators=(",", ":")).encode()


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except ValueError as error:
        raise RegistryFault(400, f"The body is no JSON: {error}") from error
    if not isinstance(body, dict):
        raise RegistryFault(400, "The body must be a JSON object")
    return body


async def _schema_text(body: Annotated[dict[str, Any], Depends(_body)]) -> str:
    schema, kind = body.get("schema"), body.get("schemaType") or "AVRO"
    if kind != "AVRO":
        raise faults.invalid_schema(f"schemaType '{kind}' is not supported, AVRO is")
    if body.get("references"):
        raise faults.invalid_schema("references are not supported; write the types into the schema")
    if not isinstance(schema, str) or not schema:
        raise faults.invalid_schema("'schema' must be the schema as a JSON string")
    return schema


Body = Annotated[dict[str, Any], Depends(_body)]
SchemaText = Annotated[str, Depends(_schema_text)]


def _shown(one: Registered) -> dict[str, Any]:
    return {"subject": one.subject, "version": one.version, "id": one.id, "schema": one.schema}


def _subjects(registry: Registry) -> APIRouter:
    routes = APIRouter()

    @routes.get("/")
    def root() -> dict[str, Any]:
        return {}

    @routes.get("/subjects")
    def subjects(subjectPrefix: str = "", deleted: bool = False) -> list[str]:
        return registry.subjects(subjectPrefix, deleted)

    @routes.post("/subjects/{subject}")
    def look_up(subject: str, schema: SchemaText, deleted: bool = False) -> dict[str, Any]:
        return _shown(registry.look_up(subject, schema, deleted))

    @routes.delete("/subjects/{subject}")
    def delete(subject: str, permanent: bool = False) -> list[int]:
        return registry.delete_subject(subject, permanent)

    @routes.get("/subjects/{subject}/versions")
    def versions(subject: str, deleted: bool = False) -> list[int]:
        return registry.versions(subject, deleted)

    @routes.post("/subjects/{subject}/versions")
    def register(subject: str, schema: SchemaText) -> dict[str, int]:
        return {"id": registry.register(subject, schema)}

    @routes.get("/subjects/{subject}/versions/{version}")
    def version(subject: str, version: str, deleted: bool = False) -> dict[str, Any]:
        return _shown(registry.version(subject, version, deleted))

    @routes.get("/subjects/{subject}/versions/{version}/schema")
    def text(subject: str, version: str, deleted: bool = False) -> Response:
        one = registry.version(subject, version, deleted)
        return Response(one.schema, media_type=MEDIA_TYPE)

    @routes.get("/subjects/{subject}/versions/{version}/referencedby")
    def referenced_by(subject: str, version: str) -> list[int]:
        registry.version(subject, version)
        return []

    @routes.delete("/subjects/{subject}/versions/{version}")
    def delete_version(subject: str, version: str, permanent: bool = False) -> int:
        return registry.delete_version(subject, version, permanent)

    return routes


def _schemas(registry: Registry) -> APIRouter:
    routes = APIRouter()

    @routes.get("/schemas")
    def schemas(subjectPrefix: str = "", latestOnly: bool = False) -> list[dict[str, Any]]:
        found = [one for one in registry.all_versions() if one.subject.startswith(subjectPrefix)]
        if latestOnly:
            found = list({one.subject: one for one in found}.values())
        return [_shown(one) for one in found]

    @routes.get("/schemas/types")
    def types() -> list[str]:
        return ["AVRO"]

    @routes.get("/schemas/ids/{schema_id}")
    def by_id(schema_id: int) -> dict[str, str]:
        return {"schema": registry.schema(schema_id)}

    @routes.get("/schemas/ids/{schema_id}/schema")
    def text_by_id(schema_id: int) -> Response:
        return Response(registry.schema(schema_id), media_type=MEDIA_TYPE)

    @routes.get("/schemas/ids/{schema_id}/subjects")
    def subjects_of(schema_id: int) -> list[str]:
        return [one.subject for one in registry.uses(schema_id)]

    @routes.get("/schemas/ids/{schema_id}/versions")
    def versions_of(schema_id: int) -> list[dict[str, Any]]:
        uses = registry.uses(schema_id)
        return [{"subject": one.subject, "version": one.version} for one in uses]

    return routes


def _settings(registry: Registry) -> APIRouter:
    routes = APIRouter()

    @routes.get("/config")
    def level() -> dict[str, str]:
        return {"compatibilityLevel": registry.level()}

    @routes.put("/config")
    def set_level(body: Body) -> dict[str, str]:
        return {"compatibility": registry.set_level(None, body.get("compatibility"))}

    @routes.delete("/config")
    def drop_level() -> dict[str, str]:
        return {"compatibility": registry.drop_level(None)}

    @routes.get("/config/{subject}")
    def level_of(subject: str, defaultToGlobal: bool = False) -> dict[str, str]:
        return {"compatibilityLevel": registry.level(subject, or_global=defaultToGlobal)}

    @routes.put("/config/{subject}")
    def set_level_of(subject: str, body: Body) -> dict[str, str]:
        return {"compatibility": registry.set_level(subject, body.get("compatibility"))}

    @routes.delete("/config/{subject}")
    def drop_level_of(subject: str) -> dict[str, str]:
        return {"compatibility": registry.drop_level(subject)}

    @routes.get("/mode")
    def mode() -> dict[str, str]:
        return {"mode": registry.mode()}

    @routes.put("/mode")
    def set_mode(body: Body) -> dict[str, str]:
        return {"mode": registry.set_mode(None, body.get("mode"))}

    @routes.get("/mode/{subject}")
    def mode_of(subject: str, defaultToGlobal: bool = False) -> dict[str, str]:
        return {"mode": registry.mode(subject, or_global=defaultToGlobal)}

    @routes.put("/mode/{subject}")
    def set_mode_of(subject: str, body: Body) -> dict[str, str]:
        return {"mode": registry.set_mode(subject, body.get("mode"))}

    return routes


def _compatibility(registry: Registry) -> APIRouter:
    routes = APIRouter()

    @routes.post("/compatibility/subjects/{subject}/versions/{version}")
    def one(
        subject: str, version: str, schema: SchemaText, verbose: bool = False
    ) -> dict[str, Any]:
        return _verdict(registry.check(subject, schema, version), verbose)

    @routes.post("/compatibility/subjects/{subject}/versions")
    def as_configured(subject: str, schema: SchemaText, verbose: bool = False) -> dict[str, Any]:
        return _verdict(registry.check(subject, schema), verbose)

    return routes


def _verdict(found_wrong: list[str], verbose: bool) -> dict[str, Any]:
    verdict: dict[str, Any] = {"is_compatible": not found_wrong}
    return verdict | {"messages": found_wrong} if verbose else verdict
