"""How the commands of the hospital choose queues, show what they hold, and ask.

Guarantees: a request names the record that was seen first; what is given for an edit is checked
against the schema and the key before anything is asked.
"""

import asyncio
import getpass
import json
import re
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import msgspec
import typer
from rich.progress import Progress

from omnihub.api.acts import Act
from omnihub.api.parked_content import content_of, original_of, record_told
from omnihub.cli.given import text_of
from omnihub.cli.output import Exit, print_json, print_rows, stderr
from omnihub.contracts.codec import Codec
from omnihub.contracts.sealing import Sealer
from omnihub.model.errors import ConfigurationError, RejectedError
from omnihub.model.records import (
    ActOutcome,
    HospitalActed,
    ParkedBody,
    ParkedRecord,
    ReleaseAction,
)
from omnihub.views.parked import Wanted, heads_of
from omnihub.wiring.hospital import (
    Request,
    acts_on,
    ask,
    bodies_of,
    event_ends,
    outcomes,
    parked_in,
)
from omnihub.wiring.installation import Installation
from omnihub.wiring.log import codec_of
from omnihub.wiring.privacy import sealer_of

_AGE = re.compile(r"(\d+)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_MANY = 200
_WHICH = (
    "Say which: TASK KEY, or some of --task, --error-class, --instance and --older-than, or --all."
)


@dataclass(frozen=True, slots=True)
class Asking:
    """What a command was told to do, and how."""

    action: ReleaseAction
    reason: str
    request_id: str | None
    wait_s: float
    is_dry_run: bool
    as_json: bool
    value: bytes | None = None


def wanted_of(
    task: str | None, error_class: str | None, instance: str | None, older_than: str | None
) -> Wanted:
    """Return which records the options mean."""
    before_us = None if older_than is None else _now_us() - _age_us(older_than)
    return Wanted(task, error_class, instance, before_us)


def chosen(task: str | None, park_key: str | None, everything: bool, wanted: Wanted) -> Wanted:
    """Return which queues are meant: one by its name, some by the options, or all.

    Raises:
        ConfigurationError: it was not said which, or said twice.
    """
    ways = (task is not None, wanted != Wanted(), everything)
    if sum(ways) != 1 or (task is None) != (park_key is None):
        raise ConfigurationError(_WHICH)
    return wanted if task is None else Wanted(task=task, park_key=park_key)


def perform(install: Installation, asking: Asking, wanted: Wanted) -> None:
    """Ask for an act about every queue that is meant, and tell what came of it."""
    heads = heads_of(asyncio.run(parked_in(install)), wanted)
    if not heads:
        stderr().print("Nothing of this is parked. See `omnihub hospital list`.")
        raise typer.Exit(Exit.FAILED)
    if asking.is_dry_run:
        _print_plan(asking, heads)
        return
    request_id = asking.request_id or str(uuid.uuid4())
    act = Act(asking.action, getpass.getuser(), asking.reason, request_id, _now_us(), asking.value)
    requests = [(head, act.about(head)) for head in heads]
    found = asyncio.run(_ask(install, asking, requests))
    _print_outcome(asking, request_id, requests, found)
    done = (ActOutcome.DONE, ActOutcome.CONTINUES)
    if any(one.outcome not in done for one in found):
        raise typer.Exit(Exit.FAILED)


def told_queue(
    install: Installation, task: str, park_key: str, limit: int, *, personal: bool
) -> dict[str, Any]:
    """Return one queue as `show` tells it: records with their content, and acts."""
    parked = asyncio.run(parked_in(install))
    queue = [one for one in parked if (one.task, one.park_key) == (task, park_key)]
    sealer, codec = _sealer(install, personal), codec_of(install)
    first = queue[:limit]
    bodies = bodies_of(install, codec, first) if first else {}
    acts = asyncio.run(acts_on(install, task, park_key))
    return {
        "task": task,
        "park_key": park_key,
        "waiting": len(queue),
        "records": [_told(one, bodies.get(one.queue_index), codec, sealer) for one in first],
        "acts": [_told_act(one, codec, sealer) for one in acts],
    }


def edited(
    install: Installation, wanted: Wanted, file: str | None, *, personal: bool
) -> bytes | None:
    """Return the framed record that shall take the place of a queue's first; None: unchanged.

    Raises:
        ConfigurationError: what was given does not fit.
    """
    heads = heads_of(asyncio.run(parked_in(install)), wanted)
    if not heads:
        raise ConfigurationError("Nothing is parked under this key. See `omnihub hospital list`.")
    codec = codec_of(install)
    body = bodies_of(install, codec, heads[:1]).get(heads[0].queue_index)
    if body is None:
        raise ConfigurationError("The record has just left its queue. See `omnihub hospital show`.")
    before = content_of(body, codec, _sealer(install, personal))
    text = _written(before) if file is None else _given(file)
    if text is None:
        return None
    try:
        after = json.loads(text)
    except ValueError:
        raise ConfigurationError("What was given is no JSON.") from None
    if after == before:
        return None
    return _checked(after, body, install, codec)


def _checked(after: Any, body: ParkedBody, install: Installation, codec: Codec) -> bytes:
    try:
        record = record_told(after, install.topics.spec(body.topic), body, codec)
    except RejectedError as error:
        raise ConfigurationError(f"It does not fit: {error.detail}.") from None
    return codec.encode(record)


def _given(file: str) -> str:
    return sys.stdin.read() if file == "-" else text_of(Path(file))


def _written(before: Any) -> str | None:
    """Return what somebody made of it in their editor; the draft is theirs alone, and removed."""
    return click.edit(json.dumps(before, indent=2, ensure_ascii=False), extension=".json")


async def _ask(
    install: Installation, asking: Asking, requests: list[Request]
) -> list[HospitalActed]:
    since = event_ends(install) if asking.wait_s else {}
    is_shown = len(requests) > _MANY and sys.stderr.isatty()
    with Progress(console=stderr(), transient=True, disable=not is_shown) as progress:
        sent = progress.add_task("Asking", total=len(requests))
        await ask(install, requests, lambda count: progress.advance(sent, count))
        if not asking.wait_s:
            return []
        done = progress.add_task("Waiting", total=len(requests))
        return await outcomes(
            install, requests, since, asking.wait_s, lambda count: progress.advance(done, count)
        )


def _print_plan(asking: Asking, heads: list[ParkedRecord]) -> None:
    if asking.as_json:
        told = [{"task": one.task, "park_key": one.park_key, "offset": one.offset} for one in heads]
        print_json({"action": asking.action, "dry_run": True, "queues": told})
        return
    rows = [
        {"task": one.task, "park key": one.park_key, "record": one.record_type, "error": one.error}
        for one in heads
    ]
    print_rows(rows, ("task", "park key", "record", "error"), "")
    stderr().print(f"{asking.action} would be asked for {len(heads)} queues. Nothing was asked.")


def _print_outcome(
    asking: Asking, request_id: str, requests: list[Request], found: list[HospitalActed]
) -> None:
    if asking.as_json:
        acts = [_plain_act(one) for one in found]
        told = {"request_id": request_id, "action": asking.action, "queues": len(requests)}
        print_json({**told, "acts": acts})
        return
    rows = [
        {
            "task": one.task,
            "park key": one.park_key,
            "outcome": one.outcome,
            "left": one.records,
            "wait": one.remaining,
            "error": one.error,
        }
        for one in found
    ]
    if rows:
        print_rows(rows, ("task", "park key", "outcome", "left", "wait", "error"), "")
    told_of = f", {len(found)} of them told their outcome" if asking.wait_s else ""
    stderr().print(
        f"{asking.action} was asked for {len(requests)} queues{told_of}. Request {request_id}."
    )


def _told(
    shown: ParkedRecord, body: ParkedBody | None, codec: Codec, sealer: Sealer | None
) -> dict[str, Any]:
    content = None if body is None else content_of(body, codec, sealer)
    return {**msgspec.to_builtins(shown), "content": content}


def _told_act(act: HospitalActed, codec: Codec, sealer: Sealer | None) -> dict[str, Any]:
    told = _plain_act(act)
    if act.action is ReleaseAction.EDIT and act.outcome is ActOutcome.DONE:
        told["original"] = original_of(act, codec, sealer)
    return told


def _plain_act(act: HospitalActed) -> dict[str, Any]:
    fields = msgspec.structs.asdict(act)
    return {name: value for name, value in fields.items() if name != "original"}


def _sealer(install: Installation, personal: bool) -> Sealer | None:
    return sealer_of(install) if personal else None


def _age_us(text: str) -> int:
    if (found := _AGE.fullmatch(text)) is None:
        raise ConfigurationError(f"--older-than is '{text}': no age. Write 90s, 15m, 2h or 3d.")
    return int(found[1]) * _SECONDS[found[2]] * 1_000_000


def _now_us() -> int:
    return time.time_ns() // 1000
