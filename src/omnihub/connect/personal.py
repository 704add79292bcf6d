"""What a mapping does with personal data: tokens to match by, contacts to carry along.

Guarantees: a token is a keyed hash (HMAC-SHA256 with the tenant's secret) of the normalised value:
equal values match, nobody without the secret can test a guess; the same on every machine. So is the
digest of content, in which personal values are.
Does not: seal (the codec does), or judge whether an address exists.
"""

import base64
import hashlib
import hmac
import json
import unicodedata
from collections.abc import Callable
from collections.abc import Mapping as Dictionary

import phonenumbers

from omnihub.model.ids import (
    CartId,
    InstanceId,
    OrderId,
    SubjectId,
    TenantId,
    derive_id,
)
from omnihub.model.personal import Personal
from omnihub.model.records import Contact

_TOKEN_BYTES = 18
_DIGEST_BYTES = 16
Digest = Callable[[bytes], str]
"""Turns content into a short name of it: equal content, equal name."""


class Tokens:
    """Keyed hashes of one tenant."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._content_key = hmac.digest(secret, b"content", "sha256")

    def of(self, kind: str, value: str) -> str:
        """Return the token of a value that needs no normalising (a card, a customer number)."""
        digest = hmac.digest(self._secret, f"{kind}\x1f{value}".encode(), "sha256")
        return base64.urlsafe_b64encode(digest[:_TOKEN_BYTES]).decode()

    def digest(self, content: bytes) -> str:
        """Return a keyed hash of content that may hold personal values, to compare it by."""
        keyed = hashlib.blake2b(content, digest_size=_DIGEST_BYTES, key=self._content_key)
        return keyed.hexdigest()

    def email(self, text: str) -> str | None:
        """Return the token of an e-mail address; None when it is none."""
        address = normal_email(text)
        return self.of("email", address) if address else None

    def phone(self, text: str, region: str | None = None) -> str | None:
        """Return the token of a telephone number, told in `region` (ISO 3166) unless with +."""
        number = normal_phone(text, region)
        return self.of("phone", number) if number else None

    def subject(self, instance: str, kind: str, source_id: str) -> SubjectId:
        """Return the id of a person as one system knows them: random to anybody else."""
        return SubjectId(self.of(f"subject\x1f{instance}\x1f{kind}", source_id))


def unkeyed(content: bytes) -> str:
    """Return a plain hash of content: for rehearsals in memory, where nobody could test a guess."""
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).hexdigest()


def normal_email(text: str) -> str | None:
    """Return an address as it is compared: NFC, trimmed, casefolded. Dots and plus signs count."""
    address = unicodedata.normalize("NFC", text).strip().casefold()
    name, at, domain = address.rpartition("@")
    return address if at and name and "." in domain and " " not in address else None


def normal_phone(text: str, region: str | None = None) -> str | None:
    """Return a number in E.164; None when it is none that could be dialled."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def contact_of(
    tokens: Tokens,
    subject: SubjectId,
    *,
    name: str | None = None,
    email: str | None = None,
    phone: str | None = None,
    address: Dictionary[str, object] | None = None,
    region: str | None = None,
    locale: str | None = None,
) -> Contact:
    """Return how to reach a person; what is empty or no address at all is left out.

    `address` has lines, city, region, postcode, country; `region` is the country in which phone
    numbers without + were told.
    """
    country = str(address["country"]) if address and address.get("country") else None
    mail = normal_email(email or "")
    number = normal_phone(phone, region or country) if phone else None
    told = {key: value for key, value in (address or {}).items() if value}
    return Contact(
        subject=subject,
        name=_personal(name),
        email=_personal(mail),
        phone=_personal(number),
        address=_personal(json.dumps(told, sort_keys=True, ensure_ascii=False) if told else None),
        email_token=tokens.email(mail) if mail else None,
        phone_token=tokens.of("phone", number) if number else None,
        country=country,
        locale=locale,
    )


def order_id_of(tenant: TenantId, instance: InstanceId | str, external_id: str) -> OrderId:
    """Return the canonical id of a system's own order: whoever names it, names the same."""
    return OrderId(derive_id(f"{tenant}:{instance}:{external_id}", "order"))


def cart_id_of(tenant: TenantId, instance: InstanceId | str, external_id: str) -> CartId:
    """Return the canonical id of a system's own cart."""
    return CartId(derive_id(f"{tenant}:{instance}:{external_id}", "cart"))


def _personal(text: str | None) -> Personal | None:
    stripped = (text or "").strip()
    return Personal(stripped) if stripped else None
