"""The group's metadata as librdkafka writes it; the lab reads what a real member is told."""

import pytest

from omnihub.broker.membership import Membership, UnknownMembership

STATIC = b"CGMDv2:\x01\x00\x00\x00g\0slot0-b5b0\0\0slot0\0"
DYNAMIC = b"CGMDv2:\x02\x01\x00\x00g\0omnihub-e291\0\1"


def test_a_static_member_is_read():
    assert Membership.of(STATIC) == Membership("g", 1, "slot0-b5b0", "slot0")


def test_a_dynamic_member_has_no_instance():
    assert Membership.of(DYNAMIC) == Membership("g", 258, "omnihub-e291", None)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"CGMDv3:" + STATIC[7:],
        STATIC + b"more",
        STATIC[:-1],
        DYNAMIC + b"more",
        DYNAMIC[:-1],
        *(STATIC[:length] for length in range(8, len(STATIC) - 1, 5)),
    ],
)
def test_anything_else_is_refused_with_the_cure(data):
    with pytest.raises(UnknownMembership, match=r"Install one of these"):
        Membership.of(data)
