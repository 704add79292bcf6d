"""Webhook signatures as data: which header, over which bytes, with which key and encoding.

Guarantees: proof is checked on the raw bytes in constant time against every live secret; whatever
a sender puts into a header ends in `Verified` or `BadSignature` (HTTP 401), never in another error.
Does not: remember deliveries; a replay inside the tolerance is dropped later by its content.
"""

import base64
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import SecretStr

from omnihub.connect.errors import BadSignature
from omnihub.model.errors import ConfigurationError

Headers = Mapping[str, str]
IsPing = Callable[[Headers, bytes], bool]

_PART = re.compile(r"\{(id|timestamp|body)\}")
_STANDARD_SECRET_PREFIX = "whsec_"  # noqa: S105 (a marker of the format, not a secret)
_MAX_TIMESTAMP_DIGITS = 12


class Algorithm(StrEnum):
    """Keyed hash, by the name that hashlib knows."""

    SHA1 = "sha1"
    SHA256 = "sha256"
    SHA512 = "sha512"


class Encoding(StrEnum):
    """How bytes are written as text: a signature in its header, or a key in its secret."""

    TEXT = "text"
    BASE64 = "base64"
    HEX = "hex"


@dataclass(frozen=True, slots=True)
class WebhookScheme:
    """How one system signs.

    WebhookScheme("X-WC-Webhook-Signature", secrets=(secret,))               # base64 of the body
    WebhookScheme("X-Hub-Signature-256", encoding=HEX, prefix="sha256=", secrets=(secret,))
    WebhookScheme("Stripe-Signature", encoding=HEX, signed="{timestamp}.{body}",
                  fields=("t", "v1"), tolerance_s=300, secrets=(secret,))

    `signed` is a template of {id}, {timestamp} and {body}. `separator` parts several signatures in
    one header, `fields` names the timestamp and signature fields of a `t=..,v1=..` header.
    `topic_header` says what the webhook is about; `is_ping` recognises a test call, which is
    answered without proof and writes nothing. `keeps` names further headers that the mapping reads;
    any other (addresses, agents, referrers) is dropped: headers are kept unsealed.
    """

    signature_header: str
    algorithm: Algorithm = Algorithm.SHA256
    encoding: Encoding = Encoding.BASE64
    signed: str = "{body}"
    secrets: tuple[SecretStr, ...] = field(kw_only=True)
    secret_encoding: Encoding = Encoding.TEXT
    prefix: str = ""
    separator: str | None = None
    fields: tuple[str, str] | None = None
    id_header: str | None = None
    timestamp_header: str | None = None
    tolerance_s: int | None = None
    topic_header: str | None = None
    is_ping: IsPing | None = None
    keeps: tuple[str, ...] = ()

    @property
    def kept_headers(self) -> frozenset[str]:
        """The headers worth replaying, in lower case; none that proves anything."""
        named = (
            "Content-Type",
            self.id_header,
            self.timestamp_header,
            self.topic_header,
            *self.keeps,
        )
        return frozenset(name.lower() for name in named if name)

    def __post_init__(self) -> None:
        """Refuse what could never verify, or would verify anything."""
        if not self.secrets or any(not _key(secret, self) for secret in self.secrets):
            raise ConfigurationError(
                f"webhook secret for {self.signature_header} is empty: anyone could sign. "
                "Give at least one secret by reference."
            )
        if "{body}" not in self.signed:
            raise ConfigurationError(f"signed is '{self.signed}': the body is not in it. Add it.")


@dataclass(frozen=True, slots=True)
class Verified:
    """A webhook whose sender is proven (or a ping, which needs no proof)."""

    delivery_id: str | None = None
    topic: str | None = None
    is_ping: bool = False


def verify(scheme: WebhookScheme, headers: Headers, body: bytes, now_s: float) -> Verified:
    """Check `body` exactly as received against the headers.

    Raises:
        BadSignature: missing, malformed, forged or too old.
    """
    if scheme.is_ping is not None and scheme.is_ping(headers, body):
        return Verified(is_ping=True)
    given = {name.lower(): value for name, value in headers.items()}
    timestamp, signatures = _proof(scheme, given)
    _check_age(scheme, timestamp, now_s)
    message_id = _header(given, scheme.id_header)
    signed = _signed_bytes(scheme.signed, message_id or "", timestamp or "", body)
    if not _matches(scheme, signed, signatures):
        raise BadSignature(
            f"{scheme.signature_header} matches none of {len(scheme.secrets)} live secrets. "
            "Compare the secret at the sender with the one in omnihub.yaml."
        )
    return Verified(message_id, _header(given, scheme.topic_header))


def sign(
    scheme: WebhookScheme, body: bytes, *, message_id: str = "", timestamp: str = ""
) -> dict[str, str]:
    """Return the headers a sender would add, signed with the first secret (for simulators)."""
    digest = _signature(
        scheme, scheme.secrets[0], _signed_bytes(scheme.signed, message_id, timestamp, body)
    )
    text = scheme.prefix + digest.decode("ascii")
    if scheme.fields:
        text = f"{scheme.fields[0]}={timestamp},{scheme.fields[1]}={digest.decode('ascii')}"
    extra = {scheme.id_header: message_id, scheme.timestamp_header: timestamp}
    return {scheme.signature_header: text} | {name: v for name, v in extra.items() if name}


def _proof(scheme: WebhookScheme, given: Headers) -> tuple[str | None, list[str]]:
    """Return the timestamp text and every signature offered."""
    text = given.get(scheme.signature_header.lower(), "")
    if not text:
        raise BadSignature(f"{scheme.signature_header} is missing. Sign the request.")
    if scheme.fields:
        pairs = [part.strip().partition("=") for part in text.split(",")]
        stamps = [value for name, _, value in pairs if name == scheme.fields[0]]
        found = [value for name, _, value in pairs if name == scheme.fields[1]]
        return (stamps[0] if stamps else None), found
    offered = text.split(scheme.separator) if scheme.separator else [text]
    found = [one.strip()[len(scheme.prefix) :] for one in offered if _has_prefix(scheme, one)]
    return _header(given, scheme.timestamp_header), found


def _has_prefix(scheme: WebhookScheme, offered: str) -> bool:
    return offered.strip().startswith(scheme.prefix)


def _header(given: Headers, name: str | None) -> str | None:
    return given.get(name.lower()) if name else None


def _check_age(scheme: WebhookScheme, timestamp: str | None, now_s: float) -> None:
    if scheme.tolerance_s is None:
        return
    text = timestamp or ""
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_TIMESTAMP_DIGITS):
        raise BadSignature("the timestamp is missing or no number of seconds. Sign with one.")
    if abs(now_s - int(text)) > scheme.tolerance_s:
        raise BadSignature(
            f"the timestamp is more than {scheme.tolerance_s} s away. Check both clocks."
        )


def _signed_bytes(template: str, message_id: str, timestamp: str, body: bytes) -> bytes:
    values = {"id": _bytes(message_id), "timestamp": _bytes(timestamp), "body": body}
    # split() with one group yields text and part names in turn.
    pieces = _PART.split(template)
    return b"".join(
        values[piece] if index % 2 else piece.encode() for index, piece in enumerate(pieces)
    )


def _matches(scheme: WebhookScheme, signed: bytes, signatures: list[str]) -> bool:
    """Compare every secret with every signature, always all of them."""
    hits = 0
    for secret in scheme.secrets:
        expected = _signature(scheme, secret, signed)
        for offered in signatures:
            hits += hmac.compare_digest(expected, _comparable(scheme, offered))
    return hits > 0


def _comparable(scheme: WebhookScheme, offered: str) -> bytes:
    text = offered.lower() if scheme.encoding is Encoding.HEX else offered
    return _bytes(text)


def _bytes(text: str) -> bytes:
    # A header may hold anything, lone surrogates too; an exception here would answer 500.
    return text.encode("utf-8", "replace")


def _signature(scheme: WebhookScheme, secret: SecretStr, signed: bytes) -> bytes:
    digest = hmac.digest(_key(secret, scheme), signed, scheme.algorithm.value)
    if scheme.encoding is Encoding.HEX:
        return digest.hex().encode()
    return base64.b64encode(digest)


def _key(secret: SecretStr, scheme: WebhookScheme) -> bytes:
    text = secret.get_secret_value()
    if scheme.secret_encoding is Encoding.TEXT:
        return text.encode()
    try:
        if scheme.secret_encoding is Encoding.HEX:
            return bytes.fromhex(text)
        return base64.b64decode(text.removeprefix(_STANDARD_SECRET_PREFIX), validate=True)
    except ValueError as error:
        raise ConfigurationError(
            f"webhook secret for {scheme.signature_header} is not {scheme.secret_encoding}. "
            "Copy it again from the sender's settings."
        ) from error
