"""Looks at the sinks' backlog from a thread of its own, while workers have backfill to do."""

import threading
import time

import structlog

from omnihub.broker.backlog import GroupBacklog
from omnihub.connect.brake import Brake
from omnihub.connect.runtime import commands_groups, commands_topic
from omnihub.model.errors import RetryableError
from omnihub.wiring.installation import Installation

LOOK_S = 0.5
_log = structlog.get_logger()


class SinkBrake:
    """Call it to ask whether backfill must wait for sinks; only who asks causes looks."""

    def __init__(self, install: Installation, stop: threading.Event) -> None:
        topics = {
            group: commands_topic(instance)
            for instance in install.instances.values()
            if instance.connector.accepts
            for group in commands_groups(instance).values()
        }
        self._backlog = GroupBacklog(install.cluster(), topics) if topics else None
        self._brake = Brake()
        self._is_asked = threading.Event()
        self._stop = stop
        threading.Thread(target=self._run, name="sink-brake", daemon=True).start()

    def __call__(self) -> bool:
        """Tell what the latest look said."""
        self._is_asked.set()
        return self._brake.is_on

    def _run(self) -> None:
        while not self._stop.is_set() and self._backlog is not None:
            self._is_asked.wait()
            self._is_asked.clear()
            try:
                self._brake.saw(self._backlog.look(), time.monotonic())
            except RetryableError as error:
                _log.warning("sinks not seen", why=str(error))
            self._stop.wait(LOOK_S)
