"""The form of a call: paths, sizes, and what a body must look like to be taken.

Guarantees: the limits of the provider's handbook: 32 KB a message, 500 KB and 2,500 messages a
batch; the short paths of its browser library mean the same calls.
"""

from collections.abc import Mapping

import msgspec

KIB = 1024
MESSAGE_BYTES = 32 * KIB
BATCH_BYTES = 500 * KIB
BATCH_MESSAGES = 2500
KEY_FIELD = "writeKey"
SUCCESS = b'{"success":true}'
KINDS = ("identify", "track", "page", "screen", "group", "alias")
BATCHES = frozenset({"v1/batch", "v1/import", "v1/b"})
KIND_OF: Mapping[str, str] = {f"v1/{kind}": kind for kind in KINDS} | {
    f"v1/{kind[0]}": kind for kind in KINDS
}
"""What a call to a path is about, where it does not say so itself."""
CALLS: Mapping[str, int] = dict.fromkeys(KIND_OF, MESSAGE_BYTES) | dict.fromkeys(
    BATCHES, BATCH_BYTES
)


class Batch(msgspec.Struct):
    """Many messages; what stands around them holds for each."""

    batch: list[msgspec.Raw]
    context: dict[str, object] = {}


def fault_of(path: str, body: bytes) -> str | None:
    """Say what is wrong with the form of a body; None when nothing is."""
    try:
        if path not in BATCHES:
            msgspec.json.decode(body, type=dict[str, msgspec.Raw])
            return None
        messages = msgspec.json.decode(body, type=Batch).batch
        for message in messages:
            msgspec.json.decode(message, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeError):
        return "the body is not the JSON that this call takes. See the spec of the sender's library"
    if len(messages) > BATCH_MESSAGES:
        return f"a batch holds at most {BATCH_MESSAGES} messages. Send several batches"
    if any(len(bytes(message)) > MESSAGE_BYTES for message in messages):
        return f"a message has at most {MESSAGE_BYTES} bytes. Send less with it"
    return None
