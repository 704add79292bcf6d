"""The bodies of the hospital's routes, with an example each."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.config import JsonValue

from omnihub.api.bodies import Body, RequestBody

TaskName = Annotated[str, StringConstraints(min_length=1, max_length=128)]
ParkKey = Annotated[str, StringConstraints(min_length=1, max_length=512)]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Action = Annotated[str, StringConstraints(pattern="^(RETRY|RELEASE|SKIP)$")]
RequestId = Annotated[
    Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$")]
    | None,
    Field(description="Of your own, best a UUID: what is asked twice under one has one effect."),
]
Name = Annotated[str, StringConstraints(min_length=1, max_length=128)] | None
Age = Annotated[int, Field(ge=0, le=10**9)] | None
_EXAMPLE: JsonValue = {
    "task": "translate-poslog",
    "park_key": "main:pos:transaction:17",
    "action": "RELEASE",
    "reason": "the store is mapped now",
    "request_id": "5b0c2f4e-2d8e-4a7e-9d55-5b6b5a0c7f11",
}


class Parked(Body):
    """One parked record; its content stays with the task."""

    task: str
    park_key: str
    queue_index: int
    topic: str
    partition: int
    offset: int
    record_type: str
    error_class: str
    error: str
    cure: str = Field(description="The command or act that cures it.")
    attempts: int = Field(description="How often it failed; 0 while it only waits behind others.")
    parked_at_us: int
    accepted_at_us: int
    instance: str = Field(description="The system it comes from or is for; empty: not known.")
    waits_for: str | None = Field(description="The cross-reference whose setting releases it.")
    is_edited: bool


class Acted(Body):
    """What was done about a queue, by whom and why."""

    event_id: str
    request_id: str
    action: str
    outcome: str
    requested_by: str
    reason: str
    requested_at_us: int
    accepted_at_us: int
    offset: int | None = Field(description="Of the record that was first before.")
    record_type: str
    records: int = Field(description="How many left the queue.")
    remaining: int = Field(description="How many still wait under the key.")
    error_class: str | None
    error: str | None = Field(description="Why it stopped or was refused.")
    cure: str | None


class Queue(BaseModel):
    """What waits under one key, in order, and what was done about it."""

    task: str
    park_key: str
    records: list[Parked]
    acts: list[Acted]


class CauseBody(Body):
    """How much of a task waits for one reason."""

    task: str
    error_class: str
    records: int
    queues: int
    oldest_at_us: int


class Causes(BaseModel):
    """Why records wait."""

    items: list[CauseBody]


class Content(BaseModel):
    """The first record of a queue, as `POST /v1/hospital/edit` takes it back."""

    task: str
    park_key: str
    offset: int
    type: str = Field(description="Empty when nobody can read it.")
    record: dict[str, Any] | None


class Release(RequestBody):
    """Asks a task to do something about what it parked under a key."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})
    task: TaskName
    park_key: ParkKey
    action: Action
    reason: Reason
    request_id: RequestId = None


class BulkRelease(RequestBody):
    """Asks the same for every queue whose first record is meant; no filter means all."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "error_class": "Unmapped",
                    "action": "RELEASE",
                    "reason": "all stores are mapped now",
                    "dry_run": True,
                }
            ]
        },
    )
    task: Name = None
    error_class: Name = None
    instance: Name = None
    older_than_s: Age = None
    action: Action
    reason: Reason
    request_id: RequestId = None
    dry_run: bool = Field(False, description="Tell what would be asked; ask nothing.")


class Edit(RequestBody):
    """Puts another record in the place of the first one under a key; it is not run."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "task": "product",
                    "park_key": "4711",
                    "type": "ProductRemoved",
                    "record": {"meta": {}, "sku": "4711"},
                    "reason": "the title was too long",
                }
            ]
        },
    )
    task: TaskName
    park_key: ParkKey
    type: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    record: dict[str, Any] = Field(description="As `GET /v1/hospital/content` tells it.")
    reason: Reason
    request_id: RequestId = None


class Released(BaseModel):
    """What was asked for; what comes of it is told among the `acts` of the queue."""

    task: str
    park_key: str
    records: int = Field(description="How many were parked under the key at this moment.")
    request_id: str


class BulkReleased(BaseModel):
    """What was, or would be, asked for."""

    queues: int
    more: bool = Field(description="True: there are more queues; ask again.")
    request_id: str
    dry_run: bool
