"""Who is one person: a pure function of the identifiers that source identities hold.

Guarantees: the answer depends on the set alone, never on the order in which it became known. Equal
linking identifiers join; two identities that hold different values of an exclusive identifier (two
loyalty cards of one programme, two customer numbers of one system) are never joined, also not
through others; an identifier that would join such two joins none of its holders (it cannot tell
whose a third one is); an identifier that too many hold joins nobody. What was not joined for one of
these reasons is listed for people to look at.
Does not: compare names or guess.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from omnihub.model.ids import SubjectId
from omnihub.model.records import Identifier, IdentifierKind, IdentityNode, ReviewReason

STRONG = frozenset(
    {IdentifierKind.CUSTOMER_ID, IdentifierKind.LOYALTY_CARD, IdentifierKind.PSP_CUSTOMER}
)
STRONG_IF_VERIFIED = frozenset({IdentifierKind.EMAIL, IdentifierKind.PHONE})
Key = tuple[IdentifierKind, str, str]
"""Kind, scope and token: what makes two identifiers the same."""


@dataclass(frozen=True, slots=True)
class IdentityPolicy:
    """What a retailer decides about linking."""

    exclusive: frozenset[IdentifierKind] = frozenset(
        {IdentifierKind.CUSTOMER_ID, IdentifierKind.LOYALTY_CARD}
    )
    """A person has one of these per scope."""
    degree_cap: int = 5
    """An identifier on more source identities than this is shared (a kiosk, an agent's phone)."""


@dataclass(slots=True)
class Resolution:
    """Groups of source identities that are one person each, and what people must look at."""

    groups: list[frozenset[SubjectId]]
    reviews: dict[Key, ReviewReason] = field(default_factory=dict)


def links(identifier: Identifier) -> bool:
    """Tell whether an identifier can link at all."""
    if identifier.kind in STRONG:
        return True
    return identifier.kind in STRONG_IF_VERIFIED and identifier.is_verified


def key_of(identifier: Identifier) -> Key:
    """Return what makes two identifiers the same."""
    return (identifier.kind, identifier.scope, identifier.token)


def resolve(
    nodes: Mapping[SubjectId, IdentityNode],
    holders: Mapping[Key, Iterable[SubjectId]],
    policy: IdentityPolicy,
) -> Resolution:
    """Return who of `nodes` is one person; `holders` has every identifier that any of them holds.

    Holders of an identifier within the cap must all be among `nodes`.
    """
    groups = {
        subject: _Group({subject}, _exclusive(node, policy)) for subject, node in nodes.items()
    }
    reviews: dict[Key, ReviewReason] = {}
    # A card or customer number says more than an address: it joins first.
    for key in sorted(holders, key=lambda key: (key[0] not in policy.exclusive, key)):
        holding = sorted(holders[key])
        if len(holding) > policy.degree_cap:
            reviews[key] = ReviewReason.SHARED_IDENTIFIER
        elif not _join(groups, holding):
            reviews[key] = ReviewReason.EXCLUSIVE_CONFLICT
    distinct = {id(group): frozenset(group.subjects) for group in groups.values()}
    return Resolution(sorted(distinct.values(), key=min), reviews)


@dataclass(slots=True)
class _Group:
    subjects: set[SubjectId]
    exclusive: dict[tuple[IdentifierKind, str], set[str]]


def _exclusive(
    node: IdentityNode, policy: IdentityPolicy
) -> dict[tuple[IdentifierKind, str], set[str]]:
    held: dict[tuple[IdentifierKind, str], set[str]] = {}
    for each in node.identifiers:
        if each.kind in policy.exclusive:
            held.setdefault((each.kind, each.scope), set()).add(each.token)
    return held


def _join(groups: dict[SubjectId, _Group], holding: list[SubjectId]) -> bool:
    """Join all holders' groups, or none if two hold different values of an exclusive identifier."""
    together = list({id(groups[subject]): groups[subject] for subject in holding}.values())
    joined = _Group(set(), {})
    for group in together:
        for kind, tokens in group.exclusive.items():
            if joined.exclusive.setdefault(kind, tokens) != tokens:
                return False
        joined.subjects |= group.subjects
    groups |= dict.fromkeys(joined.subjects, joined)
    return True
