"""The identity rule: keeps who is who, one writer for a whole tenant.

Guarantees: links follow from the newest identifiers of all source identities alone; an observation
touches only those it is connected with; a customer keeps the id of its oldest source identity, ids
that were absorbed point to the survivor; doubtful links become reviews, never merges.
Does not: see an identifier in the clear (tokens only), or hold what a person is like.
"""

from collections.abc import Iterable
from typing import ClassVar

from omnihub.model.ids import CustomerId, SubjectId, TenantId, derive_id
from omnihub.model.record import Record
from omnihub.model.records import (
    CustomerRedirect,
    EventMeta,
    IdentifierHolders,
    IdentifierKind,
    IdentifiersObserved,
    IdentityNode,
    IdentityReview,
    ReviewReason,
    SubjectLink,
    SubjectLinked,
)
from omnihub.rules.identity_graph import IdentityPolicy, Key, key_of, links, resolve
from omnihub.rules.meta import caused_by
from omnihub.rules.rule import Out, Rows, Rule, on

CUSTOMER_INBOX = "omni.customer.inbox.v1"
MOST_SHOWN = 20
"""A review shows so many holders: it grows no further with an identifier that thousands share."""
LINK_TOPIC = "omni.identity.state.v1"
REVIEW_TOPIC = "omni.identity.review.state.v1"
REDIRECT_TOPIC = "omni.customer.redirect.state.v1"
Nodes = dict[SubjectId, IdentityNode]
Holders = dict[Key, tuple[SubjectId, ...]]


class IdentityRule(Rule):
    """Partitioned by tenant: identity needs many identifiers changed together."""

    name: ClassVar[str] = "identity"
    inbox: ClassVar[str] = "omni.identity.inbox.v1"
    events: ClassVar[str] = "omni.identity.event.v1"

    def __init__(self, policy: IdentityPolicy | None = None) -> None:
        self.policy = policy or IdentityPolicy()

    def park_key(self, record: Record) -> str:
        """One source identity waits alone: the others stay linked as they are."""
        return str(getattr(record, "subject", ""))

    @on(IdentifiersObserved)
    def on_identifiers(self, event: IdentifiersObserved, rows: Rows, out: Out) -> None:
        """Take over what one source identity holds now and settle everybody it concerns."""
        tenant = event.meta.tenant
        old = rows.get(IdentityNode, f"{tenant}:{event.subject}")
        new = _node(event, old)
        rows.put(f"{tenant}:{event.subject}", new)
        touched = {key_of(each) for node in (old, new) if node for each in node.identifiers}
        seeds = {event.subject}
        for key in sorted(touched):
            seeds |= self._hold(tenant, key, event.subject, new, rows)
        nodes, holders = self._connected(tenant, seeds, rows)
        for key in touched:
            holders.setdefault(key, _holders(tenant, key, rows))
        self._settle(event.meta, nodes, holders, rows, out)

    def _hold(
        self, tenant: TenantId, key: Key, subject: SubjectId, node: IdentityNode, rows: Rows
    ) -> set[SubjectId]:
        """Note who holds an identifier; return whose links that may change."""
        before = _holders(tenant, key, rows)
        held = {key_of(each) for each in node.identifiers}
        after = sorted({*before, subject} if key in held else {*before} - {subject})
        rows.put(_holders_key(tenant, key), IdentifierHolders(subjects=tuple(after)))
        # Shared before and shared now: it links nobody, whoever came or went.
        cap = self.policy.degree_cap
        return set() if min(len(before), len(after)) > cap else {*before, *after}

    def _connected(
        self, tenant: TenantId, seeds: Iterable[SubjectId], rows: Rows
    ) -> tuple[Nodes, Holders]:
        """Return everybody reachable from `seeds` over identifiers that link."""
        nodes: Nodes = {}
        holders: Holders = {}
        waiting = sorted(seeds)
        while waiting:
            subject = waiting.pop()
            node = rows.get(IdentityNode, f"{tenant}:{subject}")
            if node is None or subject in nodes:
                continue
            nodes[subject] = node
            for key in map(key_of, node.identifiers):
                if key not in holders:
                    holders[key] = _holders(tenant, key, rows)
                    if len(holders[key]) <= self.policy.degree_cap:
                        waiting += holders[key]
        return nodes, holders

    def _settle(
        self, cause: EventMeta, nodes: Nodes, holders: Holders, rows: Rows, out: Out
    ) -> None:
        resolution = resolve(nodes, holders, self.policy)
        customers: dict[SubjectId, CustomerId] = {}
        for group in resolution.groups:
            oldest = min(group, key=lambda subject: (nodes[subject].first_seen_us, subject))
            customers |= dict.fromkeys(group, _customer_of(cause.tenant, oldest))
        for subject in sorted(customers):
            _link(cause, nodes[subject], customers[subject], rows, out)
        _redirect(cause, nodes, customers, rows, out)
        for key in sorted(holders):
            _review(cause, key, holders[key], resolution.reviews.get(key), rows, out)


def _node(event: IdentifiersObserved, old: IdentityNode | None) -> IdentityNode:
    linking = {key_of(each): each for each in event.identifiers if links(each)}
    return IdentityNode(
        subject=event.subject,
        identifiers=tuple(linking[key] for key in sorted(linking)),
        source=event.meta.source,
        first_seen_us=event.first_seen_us,
        customer_id=old.customer_id if old else None,
    )


def _customer_of(tenant: TenantId, oldest: SubjectId) -> CustomerId:
    return CustomerId(derive_id(f"{tenant}:{oldest}", "customer"))


def _holders_key(tenant: TenantId, key: Key) -> str:
    kind, scope, token = key
    return f"{tenant}:{kind}:{scope}:{token}"


def _holders(tenant: TenantId, key: Key, rows: Rows) -> tuple[SubjectId, ...]:
    row = rows.get(IdentifierHolders, _holders_key(tenant, key))
    return row.subjects if row else ()


def _link(cause: EventMeta, node: IdentityNode, customer: CustomerId, rows: Rows, out: Out) -> None:
    if node.customer_id == customer:
        return
    tenant = cause.tenant
    key = f"{tenant}:{node.subject}"
    rows.put(
        key,
        IdentityNode(
            subject=node.subject,
            identifiers=node.identifiers,
            source=node.source,
            first_seen_us=node.first_seen_us,
            customer_id=customer,
        ),
    )
    known = rows.get(SubjectLink, key)
    link = SubjectLink(
        tenant=tenant,
        subject=node.subject,
        customer_id=customer,
        source=node.source,
        seq=(known.seq if known else 0) + 1,
        cause_id=cause.event_id,
        accepted_at_us=cause.accepted_at_us,
    )
    rows.put(key, link)
    out.emit(LINK_TOPIC, link)
    linked = SubjectLinked(
        meta=caused_by(cause, IdentityRule.name, f"link:{node.subject}:{customer}"),
        subject=node.subject,
        customer_id=customer,
        previous=node.customer_id,
    )
    out.emit(IdentityRule.events, linked)
    out.emit(CUSTOMER_INBOX, linked)


def _redirect(
    cause: EventMeta,
    nodes: Nodes,
    customers: dict[SubjectId, CustomerId],
    rows: Rows,
    out: Out,
) -> None:
    """Point every id that was ever given to where the source identity it came from is now.

    Not only ids absorbed just now: one absorbed long ago follows its own people, not its absorber.
    """
    tenant = cause.tenant
    founders = {_customer_of(tenant, subject): subject for subject in nodes}
    before = {node.customer_id for node in nodes.values()}
    for customer in sorted(founders):
        known = rows.get(CustomerRedirect, f"{tenant}:{customer}")
        if known is None and customer not in before:
            continue
        survivor = customers[founders[customer]]
        if survivor == (known.survivor if known else customer):
            continue
        redirect = CustomerRedirect(
            tenant=tenant,
            customer_id=customer,
            survivor=survivor,
            cause_id=cause.event_id,
            accepted_at_us=cause.accepted_at_us,
        )
        rows.put(f"{tenant}:{customer}", redirect)
        out.emit(REDIRECT_TOPIC, redirect)


def _review(
    cause: EventMeta,
    key: Key,
    holding: tuple[SubjectId, ...],
    reason: ReviewReason | None,
    rows: Rows,
    out: Out,
) -> None:
    """Open, change or close the review of one identifier."""
    kind, scope, token = key
    review_id = derive_id(_holders_key(cause.tenant, key), "review")
    known = rows.get(IdentityReview, review_id)
    if reason is None and (known is None or not known.is_open):
        return
    now = IdentityReview(
        tenant=cause.tenant,
        review_id=review_id,
        reason=reason or (known.reason if known else ReviewReason.UNKNOWN),
        kind=IdentifierKind(kind),
        scope=scope,
        token=token,
        subjects=holding[:MOST_SHOWN],
        is_open=reason is not None,
        cause_id=cause.event_id,
        accepted_at_us=cause.accepted_at_us,
    )
    if known is not None and _same_review(known, now):
        return
    rows.put(review_id, now)
    out.emit(REVIEW_TOPIC, now)


def _same_review(known: IdentityReview, now: IdentityReview) -> bool:
    return (known.reason, known.subjects, known.is_open) == (now.reason, now.subjects, now.is_open)
