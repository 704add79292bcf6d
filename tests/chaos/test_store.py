"""Rows on disk that a worker loses, or finds corrupt, old, shared, or without room."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chaos.findings import Kind, Verdict
from chaos.installation import SKUS, Installation
from chaos.scenario import Bug, scenario
from chaos.supervisor import Supervisor
from chaos.trial import Trial, load, recover, settle, strike, warm_up

SMALL_MIB = 24
RARE = 100


def on(folder: Path) -> tuple[str, ...]:
    """Return the option of a worker that keeps its rows there."""
    return ("--state", str(folder))


@scenario(
    faults="kill -9 inside and right after commits, rows kept on disk",
    bug=Bug("writes-early", Kind.WRONG, Kind.LOST, Kind.DUPLICATED, Kind.UNEXPECTED),
    is_smoke=True,
)
def test_rows_survive_unclean_stops(trial: Trial) -> Verdict:
    """An unclean stop never needs a wipe: rows are written after their commit."""
    installation = trial.installation()
    with Supervisor(installation) as workers:
        workers.add("a", extra=on(trial.folder / "a"))
        warm_up(installation, workers)
        for stage in ("produced", "committed", "offsets sent"):
            strike(installation, workers, "a", f"{stage}:{trial.dice.randrange(8, 20)}:KILL")
        verdict = settle(installation, workers)
    return verdict.expect("wiped" not in installation.told(), "rows were wiped for nothing")


@scenario(
    faults="the disk with all rows is lost between two lives",
    bug=Bug("stops-early", Kind.WRONG, Kind.STALLED, Kind.UNEXPECTED),
)
def test_restore_from_empty_disk(trial: Trial) -> Verdict:
    installation, state = trial.installation(), trial.folder / "a"
    return after_a_life(installation, state, lambda: shutil.rmtree(state))


@scenario(
    faults="a table and the manifest of the rows are overwritten with garbage",
    bug=Bug("wipes-and-forgets", Kind.WRONG, Kind.STALLED, Kind.UNEXPECTED),
)
def test_corrupt_rows(trial: Trial) -> Verdict:
    installation, state = trial.installation(), trial.folder / "a"

    def corrupt() -> None:
        for file in (*state.rglob("MANIFEST*"), *state.rglob("*.sst")):
            file.write_bytes(b"garbage" * 100)

    verdict = after_a_life(installation, state, corrupt)
    told = "store wiped" in installation.told()
    return verdict.expect(told or trial.plant is not None, "nobody was told of the wipe")


@scenario(
    faults="rows of an hour ago are put back, as from a backup",
    bug=Bug("no-tail", Kind.WRONG, Kind.STALLED, Kind.UNEXPECTED),
)
def test_stale_rows(trial: Trial) -> Verdict:
    installation, state = trial.installation(), trial.folder / "a"
    backup = trial.folder / "backup"

    def put_back() -> None:
        shutil.rmtree(state)
        shutil.copytree(backup, state)

    life(installation, state)
    shutil.copytree(state, backup)
    return after_a_life(installation, state, put_back)


@scenario(
    faults="a second worker, of another slot, is started on the rows of a live one",
    bug=Bug("waits-for-the-lock", Kind.UNEXPECTED),
)
def test_shared_rows(trial: Trial) -> Verdict:
    installation, state = trial.installation(), trial.folder / "a"
    with Supervisor(installation) as workers:
        workers.add("a", extra=on(state))
        warm_up(installation, workers)
        second = workers.add("b", extra=on(state))
        second.is_restarted = False
        until = time.monotonic() + 15
        while second.is_alive and time.monotonic() < until:
            load(installation, workers, 0.2)
        has_ended = not second.is_alive
        workers.slots.pop("b").kill()
        verdict = settle(installation, workers)
    told = "another slot" in installation.told()
    return verdict.expect(has_ended and told, "the second one did not end with a word of why")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a few megabytes; skipped where mounting is not allowed."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_MIB}m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk is not allowed here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@scenario(
    faults="the disk of the rows is full for some seconds, under load",
    bug=Bug("swallows-full-disk", Kind.WRONG, Kind.LOST, Kind.STALLED, Kind.UNEXPECTED),
)
def test_full_disk_of_rows(trial: Trial, small_disk: Path) -> Verdict:
    installation = trial.installation()
    filler = small_disk / "filler"
    with Supervisor(installation) as workers:
        workers.add("a", extra=on(small_disk / "a"))
        warm_up(installation, workers)
        recover(installation, workers, 30.0)
        fill(filler)
        move_once(installation)  # These are what cannot be written first.
        load(installation, workers, 6.0)
        filler.unlink()
        load(installation, workers, 2.0)
        workers["a"].kill()
        load(installation, workers, 2.0)
        move_once(installation)  # Nothing else has touched their rows since.
        verdict = settle(installation, workers)
    told = "No space" in installation.told()
    return verdict.expect(told or trial.plant is not None, "nobody was told of the full disk")


def move_once(installation: Installation) -> None:
    """Append one movement each of SKUs that the load never touches."""
    for number in range(RARE):
        installation.append_one(None, sku=SKUS + number)


def fill(filler: Path) -> None:
    """Take all room that is left."""
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def life(installation: Installation, state: Path) -> None:
    """Let one worker process some records and stop as an operator stops it."""
    with Supervisor(installation) as workers:
        workers.add("a", extra=on(state))
        installation.append(1500)
        settle(installation, workers)


def after_a_life(installation: Installation, state: Path, happens: Callable[[], object]) -> Verdict:
    """Work and stop, let something happen to the rows, work on what is left, and judge."""
    life(installation, state)
    happens()
    with Supervisor(installation) as workers:
        workers.add("a", extra=on(state))
        installation.append(1500)
        return settle(installation, workers)
