"""For operators: what is parked or refused, cross-references, metrics and health."""

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from omnihub.api.auth import Admin, Reader, Writer
from omnihub.api.bodies import (
    Cursor,
    Filter,
    Limit,
    MapEntry,
    MapImport,
    MapRow,
    PageBody,
    Parked,
    Refusal,
    Release,
    Released,
    Status,
    Target,
    Written,
)
from omnihub.api.parts import Parts, PartsOf
from omnihub.api.problem import Problem
from omnihub.model.ids import InstanceId
from omnihub.model.records import CrossReference, ReleaseAction, ReleaseParked
from omnihub.ops.metrics import CONTENT_TYPE
from omnihub.views.hospital import Wanted

XREF_TOPIC = "omni.xref.v1"
router = APIRouter()


def json_only(request: Request) -> None:
    """Refuse a body of another type before it is read."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Problem("unsupported-media-type", f"Content-Type is '{kind[:100]}'.")


JSON_BODY = [Depends(json_only)]


@router.get("/v1/hospital", summary="List parked records", tags=["hospital"])
def hospital(
    parts: PartsOf,
    _: Reader,
    task: Filter = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> PageBody[Parked]:
    """List what waits, with its reason and cure, in queue order."""
    page = parts.views.hospital.page(Wanted(task=task), cursor, limit)
    items = [Parked.model_validate(record) for record in page.items]
    return PageBody[Parked](items=items, next_cursor=page.next_cursor)


@router.post(
    "/v1/hospital/release",
    summary="Retry or skip parked records",
    tags=["hospital"],
    status_code=202,
    dependencies=JSON_BODY,
)
async def release(parts: PartsOf, who: Admin, body: Release) -> Released:
    """Ask the task to replay, or to skip, everything parked under a key; who and why are kept."""
    waiting = parts.views.hospital.under(body.task, body.park_key)
    if not waiting:
        raise Problem("nothing-parked", "The record may have been released already.")
    request = ReleaseParked(
        task=body.task,
        park_key=body.park_key,
        action=ReleaseAction(body.action),
        requested_by=who.name,
        reason=body.reason,
        requested_at_us=parts.now_us(),
    )
    first = waiting[0]
    await parts.appender.append(first.topic, request, partition=first.partition)
    return Released(task=body.task, park_key=body.park_key, records=len(waiting))


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
