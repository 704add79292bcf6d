"""How ASGI apps are served: at once, on a port of their own."""

import socket

import pytest

from omnihub.ops.server import PortTaken
from omnihub.wiring.http import _listening


def test_no_answer_waits_for_the_ack_of_its_first_half() -> None:
    with _listening("api", "127.0.0.1", 0) as listener, socket.socket() as client:
        client.connect(listener.getsockname())
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_in_use_names_its_setting() -> None:
    with (
        _listening("api", "127.0.0.1", 0) as other,
        pytest.raises(PortTaken, match=r"api\.port is \d+.*set api\.port"),
        _listening("api", *other.getsockname()),
    ):
        pass
