"""Who a consumer is in its group, as librdkafka tells it.

Guarantees: the generation, without which a transaction's offsets are not fenced; other bytes than
expected raise, a generation is never guessed.
Source: librdkafka, `rd_kafka_consumer_group_metadata_write`. The bytes are meant to be given back
to librdkafka; a version that writes others is found by `tests/lab/test_transactional.py`.
"""

import struct
from dataclasses import dataclass

from omnihub.model.errors import OmniHubError

MAGIC = b"CGMDv2:"
_GENERATION = struct.Struct("=i")


class UnknownMembership(OmniHubError):
    """librdkafka tells of the group in a form that this release does not read."""


@dataclass(frozen=True, slots=True)
class Membership:
    """A member in one generation of its group; `instance` is None for a dynamic member."""

    group: str
    generation: int
    member: str
    instance: str | None

    @classmethod
    def of(cls, metadata: bytes) -> "Membership":
        """Read what `Consumer.consumer_group_metadata()` returns.

        Raises:
            UnknownMembership: it is not in version 2 of the form.
        """
        try:
            return cls._read(metadata)
        except (ValueError, IndexError, struct.error) as error:
            raise UnknownMembership(
                f"The group's metadata begins with {metadata[:16]!r} ({error}): this release reads "
                "what confluent-kafka 2.12 to 2.16 write. Install one of these."
            ) from error

    @classmethod
    def _read(cls, metadata: bytes) -> "Membership":
        if not metadata.startswith(MAGIC):
            raise ValueError("not version 2")
        (generation,) = _GENERATION.unpack_from(metadata, len(MAGIC))
        group, member, rest = metadata[len(MAGIC) + _GENERATION.size :].split(b"\0", 2)
        has_no_instance, instance = rest[0], rest[1:]
        if has_no_instance and not instance:
            return cls(group.decode(), generation, member.decode(), None)
        if has_no_instance or instance.find(b"\0") != len(instance) - 1:
            raise ValueError("it does not end where version 2 does")
        return cls(group.decode(), generation, member.decode(), instance[:-1].decode())
