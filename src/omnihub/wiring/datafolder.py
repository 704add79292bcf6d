"""The format of the data folder: which one it has, who wrote it, and how an old one becomes new.

Guarantees: a folder that a newer release wrote, or whose mark cannot be read, is refused before
anything in it is touched; an older one opens, at once where nothing must be rewritten, else after
`omnihub data migrate`; the mark is written last, so a migration that was cut short is run again.
Does not: look into topics (their schemas say themselves what wrote them, see docs/upgrade.md).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import msgspec

from omnihub.model.errors import Refused
from omnihub.ops.files import write_atomically

FILE_NAME = "format.json"
_WRITTEN_BEFORE = ("kafka", "keys.sqlite", "master.key", "views.sqlite")
"""What a folder holds that was used before formats were noted."""


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """What `format.json` says."""

    format: int
    release: str


@dataclass(frozen=True, slots=True)
class Step:
    """How a folder of one format becomes one of the next.

    `opens_at_once`: `up` takes the step by itself; otherwise it takes time or room, and a person
    says when. `run` may be run again after it was cut short.
    """

    from_format: int
    title: str
    run: Callable[[Path], None]
    opens_at_once: bool


def _nothing(_: Path) -> None:
    return


STEPS: tuple[Step, ...] = (
    Step(0, "note the format and the release that wrote it", _nothing, opens_at_once=True),
)


class WrongFormat(Refused):
    """This release must not touch this data folder as it is."""


def release() -> str:
    """Return this release's version."""
    return version("omnihub")


def mark_of(data_dir: Path) -> Mark | None:
    """Return what wrote the folder; None when nothing did.

    Raises:
        WrongFormat: the mark cannot be read.
    """
    path = data_dir / FILE_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=Mark)
    except FileNotFoundError:
        if any((data_dir / name).exists() for name in _WRITTEN_BEFORE):
            return Mark(format=0, release="(not noted)")
        return None
    except msgspec.DecodeError as error:
        raise WrongFormat(
            f"{path} is not readable ({error}). Restore it from a copy of the folder, or run the "
            f"release that wrote it. This is release {release()}; nothing was changed."
        ) from None


def pending(data_dir: Path, steps: Sequence[Step] = STEPS) -> list[Step]:
    """Return the steps from the folder's format to this release's.

    Raises:
        WrongFormat: a newer release wrote it, or its mark cannot be read.
    """
    mark, newest = mark_of(data_dir), len(steps)
    if mark is None:
        return []
    if not 0 <= mark.format <= newest:
        raise WrongFormat(
            f"{data_dir} was written by release {mark.release} in format {mark.format}; this is "
            f"release {release()}, which knows formats up to {newest}. Run release {mark.release} "
            "or a newer one, or set data_dir to another folder. Nothing was changed."
        )
    return [step for step in steps if step.from_format >= mark.format]


def open_folder(data_dir: Path, steps: Sequence[Step] = STEPS) -> None:
    """Take the steps that need no person, and note that this release writes here now.

    Raises:
        WrongFormat: it must be migrated first, or not be touched at all.
    """
    waiting = pending(data_dir, steps)
    if not all(step.opens_at_once for step in waiting):
        mark = mark_of(data_dir)
        told = f"release {mark.release} in format {mark.format}" if mark else "nobody"
        raise WrongFormat(
            f"{data_dir} was written by {told}; release {release()} works on format {len(steps)}. "
            "Copy the folder, then run: omnihub data migrate. Nothing was changed."
        )
    migrate(data_dir, steps)


def migrate(data_dir: Path, steps: Sequence[Step] = STEPS) -> list[Step]:
    """Take every step in order; return those taken.

    Raises:
        WrongFormat: see `pending`.
    """
    taken = pending(data_dir, steps)
    for step in taken:
        step.run(data_dir)
        _note(data_dir, step.from_format + 1)
    mark = mark_of(data_dir)
    if mark is None or mark.release != release():
        _note(data_dir, len(steps))
    return taken


def _note(data_dir: Path, format_: int) -> None:
    text = msgspec.json.encode(Mark(format=format_, release=release())).decode()
    write_atomically(data_dir / FILE_NAME, text + "\n", mode=0o644)
