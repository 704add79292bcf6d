"""For operators: what was refused, cross-references, metrics and health."""

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from omnihub.api.auth import Reader, Writer
from omnihub.api.bodies import (
    MapEntry,
    MapImport,
    MapRow,
    PageBody,
    Refusal,
    Status,
    Target,
    Written,
)
from omnihub.api.json_body import JSON_BODY
from omnihub.api.params import Cursor, Filter, Limit
from omnihub.api.parts import Parts, PartsOf
from omnihub.api.problem import Problem
from omnihub.model.ids import InstanceId
from omnihub.model.records import CrossReference
from omnihub.ops.metrics import CONTENT_TYPE

XREF_TOPIC = "omni.xref.v1"
router = APIRouter()


@router.get("/v1/rejected", summary="List refusals", tags=["hospital"])
def rejected(
    parts: PartsOf, _: Reader, cursor: Cursor = None, limit: Limit = 100
) -> PageBody[Refusal]:
    """List business refusals in the order of acceptance."""
    page = parts.views.rejected(cursor, limit)
    items = [Refusal.model_validate(row) for row in page.items]
    return PageBody[Refusal](items=items, next_cursor=page.next_cursor)


@router.get("/v1/map", summary="List cross-references", tags=["map"])
def map_list(
    parts: PartsOf,
    _: Reader,
    instance: Filter = None,
    kind: Filter = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> PageBody[MapEntry]:
    """List which code of which system stands for what."""
    page = parts.views.cross_references(instance, kind, cursor, limit)
    items = [MapEntry.model_validate(row) for row in page.items]
    return PageBody[MapEntry](items=items, next_cursor=page.next_cursor)


@router.put("/v1/map", summary="Set a cross-reference", tags=["map"], dependencies=JSON_BODY)
async def map_set(parts: PartsOf, who: Writer, body: MapRow) -> Written:
    """Set one code; records that were parked for want of it are released by themselves."""
    await parts.appender.append(XREF_TOPIC, _reference(parts, who.name, body))
    return Written(written=1)


@router.post(
    "/v1/map/import", summary="Import cross-references", tags=["map"], dependencies=JSON_BODY
)
async def map_import(parts: PartsOf, who: Writer, body: MapImport) -> Written:
    """Set many codes; all are durable when this answers."""
    rows = [_reference(parts, who.name, row) for row in body.rows]
    await parts.appender.append_many(XREF_TOPIC, rows)
    return Written(written=len(rows))


@router.get("/live", summary="Is the process alive", tags=["health"])
async def live() -> Status:
    """Answer; open to all."""
    return Status(status="live", failing={})


@router.get(
    "/ready",
    summary="Can it work",
    tags=["health"],
    responses={503: {"model": Status, "description": "Not ready; names the failing parts."}},
)
def ready(parts: PartsOf, _: Reader) -> Response:
    """Tell whether every part works, and which does not."""
    failing = parts.health.failing()
    status = Status(status="not ready" if failing else "ready", failing=failing)
    return JSONResponse(status.model_dump(), 503 if failing else 200)


@router.get(
    "/metrics",
    summary="Metrics of this process",
    tags=["health"],
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def metrics(parts: PartsOf, _: Reader) -> Response:
    """Return the text exposition for Prometheus."""
    return Response(parts.metrics.render(), media_type=CONTENT_TYPE)


@router.get("/v1/metrics/targets", summary="Scrape targets", tags=["health"])
def targets(parts: PartsOf, _: Reader) -> list[Target]:
    """List every process's metrics address, in Prometheus' http_sd form."""
    return [
        Target(targets=[address], labels={"process": process})
        for process, address in parts.targets()
    ]


def _reference(parts: Parts, who: str, row: MapRow) -> CrossReference:
    if row.instance not in parts.instances:
        known = ", ".join(sorted(parts.instances)) or "none"
        raise Problem("unknown-instance", f"'{row.instance}' is not configured (known: {known}).")
    return CrossReference(
        tenant=parts.tenant,
        instance=InstanceId(row.instance),
        kind=row.kind,
        code=row.code,
        canonical=row.canonical,
        set_by=who,
        set_at_us=parts.now_us(),
    )
