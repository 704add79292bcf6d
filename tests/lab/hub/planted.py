"""People planted for the canary, and every guise in which they could leave a trace.

Guarantees: `Net.catch` finds a planted value in bytes as it is, in upper or lower case, as UTF-16,
URL-encoded, JSON-escaped, as hex, as base64 wherever it begins, and as a plain hash (SHA-256,
SHA-1, MD5; hex, base64 or raw) of it or of its normal form.
Does not: look into compressed or encrypted bytes.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

HASHES = ("sha256", "sha1", "md5")
_ALIGNMENTS = range(3)


@dataclass(frozen=True)
class Person:
    """Somebody who came in by one way only: a trace of them names the way it took."""

    way: str
    number: int

    @property
    def email(self) -> str:
        """As it was typed."""
        return f"Quix.{self.way}+news@Planted-Mail.example"

    @property
    def phone(self) -> str:
        """As it was typed."""
        return f"+31 6 5550 73{self.number:02}"

    @property
    def first_name(self) -> str:
        """Given name."""
        return f"Zebülon{self.way.title()}"

    @property
    def last_name(self) -> str:
        """Family name."""
        return f"Quixwhistle-{self.way.title()}"

    @property
    def name(self) -> str:
        """Both."""
        return f"{self.first_name} {self.last_name}"

    @property
    def street(self) -> str:
        """Where they live."""
        return f"Kanariengasse{self.number} 77b"

    def traits(self) -> Iterator[tuple[str, str]]:
        """Yield what must leave no trace, once by its kind in each of its forms."""
        e164 = self.phone.replace(" ", "")
        yield from (("email", form) for form in (self.email, self.email.casefold()))
        yield from (("phone", form) for form in (self.phone, e164, e164[1:], f"0{e164[3:]}"))
        yield from (("name", form) for form in (self.name, self.first_name, self.last_name))
        yield "street", self.street


class Net:
    """Catches traces of some people."""

    def __init__(self, people: Iterable[Person]) -> None:
        self._folded: dict[bytes, str] = {}
        self._exact: dict[bytes, str] = {}
        for person in people:
            for kind, text in person.traits():
                for form in {text, text.lower(), text.upper()}:
                    self._add(f"{kind} of {person.way}", form)

    def catch(self, found: bytes) -> set[str]:
        """Return what is in `found`: whose trait, and how it was written."""
        folded = found.lower()
        caught = {label for needle, label in self._folded.items() if needle in folded}
        return caught | {label for needle, label in self._exact.items() if needle in found}

    def _add(self, whose: str, text: str) -> None:
        for how, needle in _folded_guises(text):
            self._folded.setdefault(needle.lower(), f"{whose}, {how}")
        for how, needle in _exact_guises(text):
            self._exact.setdefault(needle, f"{whose}, {how}")


def _folded_guises(text: str) -> Iterator[tuple[str, bytes]]:
    """Yield what looks the same in either case."""
    yield "plain", text.encode()
    yield "latin-1", text.encode("latin-1")
    yield "UTF-16", text.encode("utf-16-le")
    yield "URL-encoded", quote(text, safe="").encode()
    yield "URL-encoded", quote_plus(text).encode()
    yield "JSON-escaped", json.dumps(text)[1:-1].encode()
    yield "hex", text.encode().hex().encode()
    for name in HASHES:
        yield f"{name} in hex", hashlib.new(name, text.encode()).hexdigest().encode()


def _exact_guises(text: str) -> Iterator[tuple[str, bytes]]:
    yield from (("base64", needle) for needle in base64_anywhere(text.encode()))
    for name in HASHES:
        digest = hashlib.new(name, text.encode()).digest()
        yield f"{name}, raw", digest
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield f"{name} in base64", encode(digest).rstrip(b"=")


def base64_anywhere(value: bytes) -> Iterator[bytes]:
    """Yield the characters that `value` always becomes within something longer, by alignment."""
    for before in _ALIGNMENTS:
        padded = b"\0" * before + value
        sure = slice(-(-before * 8 // 6), len(padded) * 8 // 6)  # Whole characters of ours only.
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(padded)[sure]
