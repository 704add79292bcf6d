"""One replay: who asked for it and why, and the corrections that it asks translate for.

Guarantees: one request an entity, with all its parts; what has a refusal is never asked for.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from omnihub.connect.entities import entity_key
from omnihub.connect.replaying import Difference
from omnihub.model.records import CorrectedFact, CorrectedState, CorrectEntity, EffectKind
from omnihub.model.time import from_us


@dataclass(frozen=True, slots=True)
class Replay:
    """A replay as it was asked for; `effects` are the kinds that may happen."""

    replay_id: str
    requested_by: str
    reason: str
    requested_at_us: int
    effects: tuple[EffectKind, ...] = ()


def new_replay_id(now_us: int) -> str:
    """Return an id that sorts after those of earlier replays."""
    return f"{from_us(now_us):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def requests_of(differences: Iterable[Difference], replay: Replay) -> list[CorrectEntity]:
    """Return what to ask translate for."""
    able = sorted(
        (each for each in differences if each.refusal is None),
        key=lambda each: (entity_key(each.entity), each.entity.delivery_id),
    )
    # Two deliveries of one entity are two bodies: what each says is read from its own.
    by_body = groupby(able, key=lambda each: (entity_key(each.entity), each.entity.delivery_id))
    return [_request(list(parts), replay) for _, parts in by_body]


def _request(parts: list[Difference], replay: Replay) -> CorrectEntity:
    corrections = [each.correction for each in parts]
    return CorrectEntity(
        replay_id=replay.replay_id,
        entity=parts[0].entity,
        facts=tuple(each for each in corrections if isinstance(each, CorrectedFact)),
        states=tuple(each for each in corrections if isinstance(each, CorrectedState)),
        effects=replay.effects,
        requested_by=replay.requested_by,
        reason=replay.reason,
        requested_at_us=replay.requested_at_us,
    )
