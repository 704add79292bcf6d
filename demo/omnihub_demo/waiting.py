"""Waiting for something to become true."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from omnihub_demo.process import DemoError

LOOK_EVERY_S = 0.1


async def until(
    is_so: Callable[[], Awaitable[bool]],
    timeout_s: float,
    otherwise: str,
    every_s: float = LOOK_EVERY_S,
) -> None:
    """Return when `is_so`.

    Raises:
        DemoError: it is not within `timeout_s`; `otherwise` says what that means.
    """
    deadline = time.monotonic() + timeout_s
    while not await is_so():
        if time.monotonic() > deadline:
            raise DemoError(f"{otherwise} (waited {timeout_s:.0f} s)")
        await asyncio.sleep(every_s)
