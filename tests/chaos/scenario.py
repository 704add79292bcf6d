"""The frame: a scenario is a function from a trial to a verdict, run soundly and with its bug.

    @scenario(faults="SIGSTOP past the session", bug=Bug("offsets-outside", Kind.DUPLICATED))
    def test_zombie(trial: Trial) -> Verdict:
        installation = trial.installation()
        with Supervisor(installation, "a", "b") as workers:
            warm_up(installation, workers)
            strike(installation, workers, "a", "begun:10:STOP")
            return settle(installation, workers)

The decorator makes two tests of it: `[sound]` must find nothing, the other must find what its bug
does. Both leave what they showed with `report`. Does not: know Kafka.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from chaos.findings import Kind, Verdict

SOUND = "sound"
PROPERTY = "chaos"
"""Under this name the result of a run travels with its test report."""


class Bug:
    """A planted bug, and the kinds of finding of which it must show at least one.

    `proved_by` names the scenario that runs it, where several exercise the same check.
    """

    def __init__(self, name: str, *shows: Kind, proved_by: str | None = None) -> None:
        self.name, self.shows, self.proved_by = name, frozenset(shows), proved_by

    def is_caught(self, verdict: Verdict) -> bool:
        """Tell whether a run with this bug found what it must."""
        return any(found.kind in self.shows for found in verdict.findings)


def scenario(
    *,
    faults: str,
    bug: Bug,
    is_smoke: bool = False,
    needs_kafka: bool = True,
    timeout_s: int = 180,
) -> Callable[[Callable[..., Verdict]], Callable[..., None]]:
    """Make a scenario of a function; `is_smoke` puts it into `make test`, too.

    One that needs no Kafka runs with the unit tests.
    """

    def decorate(play: Callable[..., Verdict]) -> Callable[..., None]:
        name = play.__name__.removeprefix("test_").replace("_", "-")

        @functools.wraps(play)
        def test(trial: Any, record_property: Callable[[str, object], None], **fixtures: Any):
            row = {"scenario": name, "faults": faults, "planted_bug": bug.name}
            row |= {"plant": trial.plant, "proved_by": bug.proved_by}
            record_property(PROPERTY, row)
            verdict = play(trial=trial, **fixtures)
            print(verdict)
            row |= figures(verdict)
            row["caught"] = bug.is_caught(verdict)
            if trial.plant is None:
                assert not verdict.findings, str(verdict)
            else:
                assert row["caught"], f"nobody saw '{bug.name}': {verdict}"

        test.__signature__ = _with_property(play)  # type: ignore[attr-defined]
        test.bug = bug  # type: ignore[attr-defined]
        star = " *" if is_smoke or not needs_kafka else ""
        test.told = f"| {name}{star} | {faults} | `{bug.name}` |"  # type: ignore[attr-defined]
        for mark in _marks(bug, needs_kafka, is_smoke, timeout_s):
            test = mark(test)
        return test

    return decorate


def figures(verdict: Verdict) -> dict[str, object]:
    """Return what the report tells of a run."""
    return {
        "events": verdict.events,
        "lost": verdict.count(Kind.LOST),
        "duplicated": verdict.count(Kind.DUPLICATED),
        "reordered": verdict.count(Kind.REORDERED),
        "recovery_s": round(verdict.recovery_s, 2),
    }


def _marks(
    bug: Bug, needs_kafka: bool, is_smoke: bool, timeout_s: int
) -> list[pytest.MarkDecorator]:
    # A planted bug proves the test, not the change at hand: `make chaos` runs it, `make test` not.
    planted = pytest.param(bug.name, id=bug.name, marks=pytest.mark.long)
    runs = [pytest.param(None, id=SOUND), *([] if bug.proved_by else [planted])]
    marks = [
        pytest.mark.parametrize("trial", runs, indirect=True),
        pytest.mark.chaos,
        pytest.mark.timeout(timeout_s),
    ]
    if not needs_kafka:
        return marks
    return [*marks, pytest.mark.lab, *([] if is_smoke else [pytest.mark.long])]


def _with_property(play: Callable[..., Verdict]) -> inspect.Signature:
    """Return the signature by which pytest finds the fixtures of a scenario."""
    signature = inspect.signature(play)
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    recorded = inspect.Parameter("record_property", kind)
    return signature.replace(parameters=[*signature.parameters.values(), recorded])
