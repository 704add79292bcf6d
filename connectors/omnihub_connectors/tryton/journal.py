"""How the hub finds its own documents in Tryton again: by what is written in their reference.

A stock move has no text of its own, so the reference of its shipment carries one token per
command: `hub: k3jq… 77ab… …`, created in one transaction with the moves. Whether a command was
carried out is therefore a question to Tryton, whatever batch the command comes in the next time.

Guarantees: `find` returns every living document that holds one of the tokens, and those that hold
any other token of those documents. Does not: forget; cancelled documents do not count.
"""

from base64 import b32encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from itertools import islice
from typing import NewType

from omnihub.model.ids import CommandId
from omnihub_connectors.tryton.rpc import Row, TrytonRpc

Token = NewType("Token", str)
SHIPMENT = "stock.shipment.internal"
PREFIX = "hub:"
_TOKEN_BYTES = 10  # 16 characters; among 10 million commands two are alike once in 24 billion
_TOKENS_PER_SEARCH = 50
_FIELDS = ["number", "state", "reference", "transit_location"]


@dataclass(frozen=True, slots=True)
class Document:
    """An internal shipment of ours."""

    id: int
    number: str | None
    state: str
    in_transit: bool
    tokens: frozenset[Token]

    @property
    def is_done(self) -> bool:
        """Tell whether its goods have moved."""
        return self.state == "done"

    @property
    def rank(self) -> tuple[bool, int]:
        """Of two documents with one token, the lower rank keeps it: done first, then elder."""
        return (not self.is_done, self.id)


def token_of(command_id: CommandId) -> Token:
    """Return what stands for a command in a reference: no wildcard, no upper case in it."""
    digest = blake2b(command_id.encode(), digest_size=_TOKEN_BYTES).digest()
    return Token(b32encode(digest).decode().lower())


def reference_of(tokens: Iterable[Token]) -> str:
    """Return the reference of a document that carries out the commands of `tokens`."""
    return " ".join([PREFIX, *tokens])


def tokens_of(reference: str) -> frozenset[Token]:
    """Return the tokens in a reference."""
    return frozenset(Token(word) for word in reference.split()[1:])


def is_ours(reference: str) -> bool:
    """Tell whether the hub wrote the document of this reference."""
    return reference.startswith(PREFIX)


def owners(documents: Iterable[Document]) -> dict[Token, Document]:
    """Return which document carries out the command of each token."""
    kept: dict[Token, Document] = {}
    for document in sorted(documents, key=lambda each: each.rank):
        for token in document.tokens:
            kept.setdefault(token, document)
    return kept


class Journal:
    """Our documents in one Tryton."""

    def __init__(self, rpc: TrytonRpc) -> None:
        self._rpc = rpc

    async def find(self, tokens: Iterable[Token], since: datetime) -> list[Document]:
        """Return the living documents that hold `tokens`, created at or after `since` (UTC)."""
        asked: set[Token] = set()
        found: dict[int, Document] = {}
        wanted = set(tokens)
        while fresh := wanted - asked:
            for chunk in _chunks(sorted(fresh), _TOKENS_PER_SEARCH):
                found |= {each.id: each for each in await self._holding(chunk, since)}
            asked |= fresh
            wanted = {token for document in found.values() for token in document.tokens}
        return list(found.values())

    async def unfinished(self) -> list[Document]:
        """Return the documents whose goods have not moved yet, eldest first."""
        domain = [_OURS, ["state", "not in", ["done", "cancelled"]]]
        return [_document(row) for row in await self._rpc.search_read(SHIPMENT, domain, _FIELDS)]

    async def _holding(self, tokens: Sequence[Token], since: datetime) -> list[Document]:
        domain = [
            _OURS,
            ["state", "!=", "cancelled"],
            ["create_date", ">=", since],
            ["OR", *(["reference", "like", f"%{token}%"] for token in tokens)],
        ]
        return [_document(row) for row in await self._rpc.search_read(SHIPMENT, domain, _FIELDS)]


_OURS = ["reference", "like", f"{PREFIX}%"]


def _document(row: Row) -> Document:
    return Document(
        id=row["id"],
        number=row["number"],
        state=row["state"],
        in_transit=row["transit_location"] is not None,
        tokens=tokens_of(row["reference"]),
    )


def _chunks(tokens: Iterable[Token], size: int) -> Iterator[list[Token]]:
    rest = iter(tokens)
    while chunk := list(islice(rest, size)):
        yield chunk
