"""A lock on a data directory that lives exactly as long as the broker that works on it.

The lock is a BSD lock on an open file. The starter takes it, the JVM inherits the open file, the
starter closes its own: from then on only the JVM holds it, and however the JVM ends, the kernel
releases it. No stale lock file can exist, and no pid has to be trusted.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_POLL_S = 0.02


@contextmanager
def held(path: Path, wait_s: float) -> Iterator[int | None]:
    """Try for `wait_s` to take the lock; yield its file descriptor, or `None` if another has it.

    A child that inherits the descriptor keeps the lock after this block has closed it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield descriptor if _take(descriptor, time.monotonic() + wait_s) else None
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Tell whether some process holds the lock."""
    if not path.exists():
        return False
    with held(path, wait_s=0) as descriptor:
        return descriptor is None


def wait_released(path: Path, timeout_s: float) -> bool:
    """Wait until nobody holds the lock; `False` if somebody still does after `timeout_s`."""
    with held(path, wait_s=timeout_s) as descriptor:
        return descriptor is not None


def _take(descriptor: int, deadline: float) -> bool:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_S)
        else:
            return True
