"""Serves an ASGI app inside a process of the hub.

Guarantees: a port in use is an error that names the setting; signals stay with the process; open
event streams do not hold up the end.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.types import ASGIApp

from omnihub.ops.server import PortTaken

# Event streams never end by themselves; a second lets ordinary requests finish.
GRACE_S = 1


@asynccontextmanager
async def serving(app: ASGIApp, section: str, host: str, port: int) -> AsyncIterator[None]:
    """Serve `app` until the block ends; `section` of the configuration has the port.

    Raises:
        PortTaken: another program listens there.
    """
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=GRACE_S
    )
    server = _Server(config)
    with _listening(section, host, port) as listener:
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield
        finally:
            server.should_exit = True
            await task


@contextmanager
def _listening(section: str, host: str, port: int) -> Iterator[socket.socket]:
    try:
        listener = socket.create_server((host, port))
    except OSError as error:
        raise PortTaken(
            f"{section}.port is {port}: {host}:{port} cannot be listened on ({error.strerror}). "
            f"End the program that uses it, or set {section}.port."
        ) from error
    with listener:
        # Connections inherit it, and asyncio sets it on its own listeners only. Without it an
        # answer's body waits for the client's delayed ACK of its head, 40 ms.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield listener


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the process has its own."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield
