"""The two lanes between a source and translate, and what their topics and tasks are called.

What happened just now travels live; backfill (a first load, a listing read again) travels in bulk,
which workers read only while nothing live waits. Both meet before translate, in the one history of
each entity, where versions decide.
"""

from enum import StrEnum


class Lane(StrEnum):
    """How urgent a delivery is."""

    LIVE = "live"
    BULK = "bulk"


def raw_topic(connector: str, lane: Lane = Lane.LIVE) -> str:
    """Return where raw deliveries of a connector type go."""
    return f"omni.raw.{connector}{_mark('.', lane)}.v1"


def entity_topic(connector: str, lane: Lane = Lane.LIVE) -> str:
    """Return where their source entities go."""
    return f"omni.entity.{connector}{_mark('.', lane)}.v1"


def task_name(kind: str, connector: str, lane: Lane = Lane.LIVE) -> str:
    """Return the name of the task of this kind for a connector type."""
    return f"{kind}-{connector}{_mark('-', lane)}"


def tasks_of(connector: str) -> dict[str, str]:
    """Return the inbox of every task of a connector type, by task name."""
    split = {task_name("split", connector, lane): raw_topic(connector, lane) for lane in Lane}
    return {
        **split,
        task_name("valve", connector): entity_topic(connector, Lane.BULK),
        task_name("translate", connector): entity_topic(connector),
    }


def _mark(separator: str, lane: Lane) -> str:
    return f"{separator}{lane}" if lane is Lane.BULK else ""
