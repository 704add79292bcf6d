"""The hospital for operators: what is parked and why, what it holds, what was done, and asking.

Guarantees: whoever may read sees reasons and never content; content, and every act, needs the scope
`admin`. What is asked twice under one `request_id` has one effect.
"""

import uuid
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from starlette.concurrency import run_in_threadpool

from omnihub.api.acts import Act
from omnihub.api.auth import Admin, Reader
from omnihub.api.bodies import PageBody
from omnihub.api.hospital_bodies import (
    Acted,
    BulkRelease,
    BulkReleased,
    CauseBody,
    Causes,
    Content,
    Edit,
    Parked,
    ParkKey,
    Queue,
    Release,
    Released,
    TaskName,
)
from omnihub.api.json_body import JSON_BODY
from omnihub.api.params import Cursor, Filter, Limit
from omnihub.api.parked_content import content_of, record_told
from omnihub.api.parts import Parts, PartsOf
from omnihub.api.problem import Problem
from omnihub.model.records import ParkedBody, ParkedRecord, ReleaseAction
from omnihub.model.time import SECOND_US
from omnihub.views.parked import Wanted

MOST_QUEUES = 1_000
"""Most queues of one bulk request; `more` says that there are others."""
router = APIRouter(tags=["hospital"])
Task = Annotated[TaskName, Query(description="As listed.")]
Key = Annotated[ParkKey, Query(description="As listed.")]
OlderThan = Annotated[
    Annotated[int, Field(ge=0, le=10**9)] | SkipJsonSchema[None],
    Query(description="Only what waits for longer than so many seconds."),
]


@router.get("/v1/hospital", summary="List parked records")
def parked(
    parts: PartsOf,
    _: Reader,
    task: Filter = None,
    error_class: Filter = None,
    instance: Filter = None,
    older_than_s: OlderThan = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> PageBody[Parked]:
    """List what waits, with its reason and cure, in queue order."""
    wanted = _wanted(parts, task, error_class, instance, older_than_s)
    page = parts.views.hospital.page(wanted, cursor, limit)
    items = [Parked.model_validate(record) for record in page.items]
    return PageBody[Parked](items=items, next_cursor=page.next_cursor)


@router.get("/v1/hospital/causes", summary="Count parked records by reason")
def causes(parts: PartsOf, _: Reader) -> Causes:
    """Tell how much waits for which reason, in how many queues, since when."""
    return Causes(items=[CauseBody.model_validate(one) for one in parts.views.hospital.causes()])


@router.get("/v1/hospital/queue", summary="Show one queue")
def queue(parts: PartsOf, _: Reader, task: Task, park_key: Key) -> Queue:
    """Show what waits under a key, in order, and what was done about it by whom and why."""
    views = parts.views.hospital
    records, acts = views.under(task, park_key), views.acts(task, park_key)
    if not records and not acts:
        raise Problem("nothing-parked", "Nothing ever waited under this task and key.")
    return Queue(
        task=task,
        park_key=park_key,
        records=[Parked.model_validate(one) for one in records],
        acts=[Acted.model_validate(one) for one in acts],
    )


@router.get("/v1/hospital/content", summary="Show what the first of a queue holds")
async def content(parts: PartsOf, _: Admin, task: Task, park_key: Key) -> Content:
    """Show the content of the first record under a key, in the clear; it is personal data."""
    head = _queue(parts, task, park_key)[0]
    told = content_of(await _body(parts, head), parts.codec, parts.sealer)
    return Content(task=task, park_key=park_key, offset=head.offset, **told)


@router.post(
    "/v1/hospital/release",
    summary="Retry, release or skip what is parked under a key",
    status_code=202,
    dependencies=JSON_BODY,
)
async def release(parts: PartsOf, who: Admin, body: Release) -> Released:
    """Ask the task to act on the first record (RETRY), on all (RELEASE), or to give it up (SKIP).

    Who asks and why is kept with what was done.
    """
    act = _act(parts, who.name, ReleaseAction(body.action), body.reason, body.request_id)
    return await _ask(parts, act, body.task, body.park_key)


@router.post(
    "/v1/hospital/release-many",
    summary="Retry, release or skip many queues",
    status_code=202,
    dependencies=JSON_BODY,
)
async def release_many(parts: PartsOf, who: Admin, body: BulkRelease) -> BulkReleased:
    """Ask the same for every queue whose first record is meant."""
    wanted = _wanted(parts, body.task, body.error_class, body.instance, body.older_than_s)
    found = parts.views.hospital.heads(wanted, MOST_QUEUES + 1)
    act = _act(parts, who.name, ReleaseAction(body.action), body.reason, body.request_id)
    heads = found[:MOST_QUEUES]
    if not body.dry_run:
        for head in heads:
            await parts.appender.append(head.topic, act.about(head), partition=head.partition)
    return BulkReleased(
        queues=len(heads),
        more=len(found) > MOST_QUEUES,
        request_id=act.request_id,
        dry_run=body.dry_run,
    )


@router.post(
    "/v1/hospital/edit",
    summary="Replace the first record under a key",
    status_code=202,
    dependencies=JSON_BODY,
)
async def edit(parts: PartsOf, who: Admin, body: Edit) -> Released:
    """Put another record in the place of the first; what was there is kept, sealed."""
    head = _queue(parts, body.task, body.park_key)[0]
    inbox = parts.topics.spec(head.topic)
    told = {"type": body.type, "record": body.record}
    record = record_told(told, inbox, await _body(parts, head), parts.codec)
    value = parts.codec.encode(record)
    act = _act(parts, who.name, ReleaseAction.EDIT, body.reason, body.request_id, value)
    return await _ask(parts, act, body.task, body.park_key)


async def _ask(parts: Parts, act: Act, task: str, park_key: str) -> Released:
    waiting = parts.views.hospital.under(task, park_key)
    if waiting:
        head = waiting[0]
        await parts.appender.append(head.topic, act.about(head), partition=head.partition)
    elif not parts.views.hospital.was_asked(act.request_id_for(task, park_key)):
        raise Problem("nothing-parked", "The record may have been released already.")
    return Released(task=task, park_key=park_key, records=len(waiting), request_id=act.request_id)


def _queue(parts: Parts, task: str, park_key: str) -> Sequence[ParkedRecord]:
    found = parts.views.hospital.under(task, park_key)
    if not found:
        raise Problem("nothing-parked", "The record may have been released already.")
    return found


async def _body(parts: Parts, head: ParkedRecord) -> ParkedBody:
    found = await run_in_threadpool(parts.body_of, head)
    if found is None:
        raise Problem("nothing-parked", "The record has just left its queue.")
    return found


def _wanted(
    parts: Parts,
    task: str | None,
    error_class: str | None,
    instance: str | None,
    older_than_s: int | None,
) -> Wanted:
    before_us = None if older_than_s is None else parts.now_us() - older_than_s * SECOND_US
    return Wanted(task, error_class, instance, before_us)


def _act(
    parts: Parts,
    who: str,
    action: ReleaseAction,
    reason: str,
    request_id: str | None,
    value: bytes | None = None,
) -> Act:
    chosen = request_id or str(uuid.uuid4())
    return Act(action, who, reason, chosen, parts.now_us(), value)
