"""Calls of a system's own clients, for which the hub plays the server: paths, sizes, write keys.

Guarantees: a key is compared in constant time with every live one; what a sender sends ends in the
body to keep, or in a named error, never in another; a compressed body is never unpacked further
than its limit. Does not: understand the call (the connector's mapping does, later).
"""

import base64
import binascii
import hmac
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec
from pydantic import SecretStr

from omnihub.connect.errors import BadSignature
from omnihub.connect.webhooks import Headers
from omnihub.model.errors import ConfigurationError, OmniHubError

_GZIP = 16 + zlib.MAX_WBITS
_KEY_CURE = "Send a live write key as the user name of HTTP Basic, or in the body."


class BadCall(OmniHubError):
    """The call cannot be read or is too large: answered 400, nothing is kept."""


@dataclass(frozen=True, slots=True)
class CallScheme:
    """How clients call: which paths with how large a body, and how they prove themselves.

    `calls` gives the largest body in bytes by path, for example {"v1/track": 32768}. The key comes
    as the user name of HTTP Basic, or in the field `key_field` of a JSON object. `fault` says
    what is wrong with the form of a body, None when nothing is. `answer` is the body of a 200.
    """

    keys: tuple[SecretStr, ...]
    calls: Mapping[str, int]
    key_field: str
    fault: Callable[[str, bytes], str | None]
    answer: bytes

    def __post_init__(self) -> None:
        """Refuse what would let anybody in."""
        if not self.keys or any(not key.get_secret_value() for key in self.keys):
            raise ConfigurationError(
                "a write key is empty: anyone could call. Give at least one key by reference."
            )


def received(scheme: CallScheme, path: str, headers: Headers, body: bytes) -> bytes:
    """Return the body of a call that is proven and well-formed, unpacked.

    Raises:
        BadSignature: no live write key.
        BadCall: too large, packed wrongly, or not of the form that this path wants.
    """
    given = {name.lower(): value for name, value in headers.items()}
    limit = scheme.calls[path]
    if given.get("content-encoding", "").strip().lower() == "gzip":
        body = _unpacked(body, limit)
    if len(body) > limit:
        raise BadCall(f"{path} takes at most {limit} bytes. Send less at once.")
    _prove(scheme, given, body)
    if (fault := scheme.fault(path, body)) is not None:
        raise BadCall(fault)
    return body


def _unpacked(body: bytes, limit: int) -> bytes:
    unpacker = zlib.decompressobj(_GZIP)
    try:
        plain = unpacker.decompress(body, limit + 1)
    except zlib.error:
        raise BadCall("the body says gzip and is none. Pack it, or drop the header.") from None
    if len(plain) <= limit and not unpacker.eof:
        raise BadCall("the gzip body ends too early. Send it whole.")
    return plain


def _prove(scheme: CallScheme, given: Headers, body: bytes) -> None:
    offered = _user_name(given.get("authorization", "")) or _in_body(scheme.key_field, body)
    # Every live key is compared: the time tells nothing about which one fits.
    fits = [hmac.compare_digest(offered, key.get_secret_value().encode()) for key in scheme.keys]
    if not (offered and any(fits)):
        raise BadSignature(f"no live write key. {_KEY_CURE}")


def _user_name(authorization: str) -> bytes:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(encoded.strip(), validate=True).partition(b":")[0]
    except (binascii.Error, ValueError):
        return b""


def _in_body(field: str, body: bytes) -> bytes:
    try:
        told = msgspec.json.decode(body, type=dict[str, msgspec.Raw])[field]
        return msgspec.json.decode(told, type=str).encode()
    except (msgspec.DecodeError, UnicodeError, KeyError, ValueError):
        return b""
