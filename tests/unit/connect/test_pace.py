"""Pauses end when asked to stop; back-off grows, is bounded and honours what was asked for."""

import asyncio
import time

import pytest

from omnihub.connect.errors import AuthFailed, Transient
from omnihub.connect.pace import Backoff, Time


async def test_a_pause_ends_at_once_when_the_process_stops():
    stop, started = asyncio.Event(), time.monotonic()
    asyncio.get_running_loop().call_soon(stop.set)
    await Time().pause(stop, 60.0)
    assert time.monotonic() - started < 5


def test_waits_grow_with_failures_up_to_a_bound_and_start_again(virtual):
    virtual.chance = 1.0
    backoff = Backoff(virtual.time, first_s=0.5, most_s=4.0)
    assert [backoff.after(Transient("x")) for _ in range(5)] == [1.0, 2.0, 4.0, 4.0, 4.0]
    backoff.reset()
    assert backoff.after(Transient("x")) == 1.0


@pytest.mark.parametrize(
    ("error", "least_s"), [(Transient("x", 90.0), 90.0), (AuthFailed("x"), 30.0)]
)
def test_a_wait_is_never_shorter_than_asked_for_or_wise(virtual, error, least_s):
    virtual.chance = 0.0
    assert Backoff(virtual.time).after(error) == least_s
