"""Faults on demand: of the REST API by script, of webhooks by seeded dice or for certain.

Guarantees: the same seed and the same traffic give the same faults; what was done is counted.
"""

import random
from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer the next `times` matching requests like this instead of serving them.

    With `after_effect` the request is carried out first and only its answer is lost.
    `body` replaces the usual error body, for example by the HTML of a maintenance page.
    """

    status: int
    method: str = ""
    path: str = ""
    times: int = 1
    retry_after: str | None = None
    body: str | None = None
    after_effect: bool = False


@dataclass(frozen=True, slots=True)
class Hang:
    """Let the next `times` matching requests wait before they are served."""

    seconds: float
    method: str = ""
    path: str = ""
    times: int = 1


class FaultScript:
    """What shall go wrong with REST requests, first match first."""

    def __init__(self) -> None:
        self._steps: list[tuple[Answer | Hang, int]] = []

    def add(self, *steps: Answer | Hang) -> None:
        """Append steps to the script."""
        self._steps.extend((step, step.times) for step in steps)

    def take(self, method: str, path: str) -> Answer | Hang | None:
        """Return the step for this request, using up one of its times."""
        for index, (step, left) in enumerate(self._steps):
            if step.method in ("", method) and path.endswith(step.path):
                self._steps[index : index + 1] = [(step, left - 1)] if left > 1 else []
                return step
        return None


@dataclass(slots=True)
class WebhookFaults:
    """How often a webhook is dropped, repeated, late, or after its successor (shares of 1).

    A repeated one is sent `copies` times.
    """

    drop: float = 0.0
    duplicate: float = 0.0
    late: float = 0.0
    reorder: float = 0.0
    late_s: float = 1.0
    copies: int = 2
    seed: int = 0
    injected: Counter[str] = field(default_factory=Counter)
    _dice: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)  # noqa: S311 (a simulation)

    def roll(self) -> str | None:
        """Return the name of the fault for the next delivery, or None."""
        point = self._dice.random()
        for name in ("drop", "duplicate", "late", "reorder"):
            share: float = getattr(self, name)
            if point < share:
                self.injected[name] += 1
                return name
            point -= share
        return None


@dataclass(slots=True)
class CertainFaults:
    """What happens to the webhooks of the first new orders, whatever the dice say.

    The creation of the first `tripled` orders is delivered three times, that of the next
    `overtaken` ones only after an update of the same order. What the receiver did not accept all
    of was not done: then the next order is taken.
    """

    tripled: int = 0
    overtaken: int = 0
    webhooks_tripled: int = 0
    updates_before_creation: int = 0

    @property
    def wants_tripled(self) -> bool:
        """Tell whether another creation shall be delivered three times."""
        return self.webhooks_tripled < self.tripled

    @property
    def wants_overtaken(self) -> bool:
        """Tell whether another creation shall wait for its order's update."""
        return self.updates_before_creation < self.overtaken
