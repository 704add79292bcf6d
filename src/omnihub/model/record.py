"""The root of all generated records."""

from typing import ClassVar

import msgspec


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A canonical record: frozen, comparable by value, named by its Avro full name."""

    AVRO_NAME: ClassVar[str] = ""
