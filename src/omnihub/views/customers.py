"""What is asked of the views about customers.

Guarantees: whoever was merged is found under the id that survived. Does not: know values, only
tokens (keyed hashes); contacts come out sealed as they lie in the topics.
"""

from sqlalchemy import and_, select

from omnihub.model.ids import CustomerId, SubjectId
from omnihub.model.records import (
    ConsentRow,
    CustomerProfile,
    CustomerRedirect,
    IdentifierKind,
    SubjectLink,
)
from omnihub.views import schema
from omnihub.views.rows import Rows

MOST_FOUND = 100


class CustomerViews:
    """Profiles, who is who, and what they allow."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def find(self, customer_id: CustomerId) -> CustomerProfile | None:
        """Return the profile of a customer, or of whom they were merged into; None if unknown."""
        survivor = self.survivor(customer_id)
        return self._rows.one(CustomerProfile, schema.CUSTOMER, customer_id=survivor)

    def survivor(self, customer_id: CustomerId) -> CustomerId:
        """Return the id under which a customer is kept now."""
        table = schema.CUSTOMER_REDIRECT
        passed = {customer_id}
        while redirect := self._rows.one(CustomerRedirect, table, customer_id=customer_id):
            customer_id = redirect.survivor
            if customer_id in passed:  # Half a merge is folded: the other half ends the circle.
                break
            passed.add(customer_id)
        return customer_id

    def of_subject(self, subject: SubjectId) -> CustomerProfile | None:
        """Return whom a person known to one system is, over all systems; None if not linked."""
        link = self._rows.one(SubjectLink, schema.SUBJECT_LINK, subject=subject)
        return self.find(link.customer_id) if link else None

    def identified(self, kind: IdentifierKind, token: str) -> tuple[CustomerProfile, ...]:
        """Return everybody known by an identifier: several, where it does not link by itself."""
        found, table = schema.CUSTOMER_TOKEN, schema.CUSTOMER
        keys = (
            select(found.c.log_key)
            .where(and_(found.c.tenant == self._rows.tenant, found.c.token == token))
            .where(found.c.kind == kind.value)
            .order_by(found.c.customer_id)
            .limit(MOST_FOUND)
        )
        return self._rows.where(CustomerProfile, table, table.c.log_key.in_(keys), "customer_id")

    def links(self, customer_id: CustomerId) -> tuple[SubjectLink, ...]:
        """Return as whom each system knows the customer."""
        return self._rows.all(
            SubjectLink, schema.SUBJECT_LINK, "source", "subject", customer_id=customer_id
        )

    def consents(self, customer_id: CustomerId) -> tuple[ConsentRow, ...]:
        """Return what the customer allows, by channel and purpose."""
        return self._rows.all(
            ConsentRow, schema.CONSENT, "channel", "purpose", customer_id=customer_id
        )
