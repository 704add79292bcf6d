"""Customers, read from the views.

Guarantees: values to search by come in the body, never in a URL, and leave as tokens: nothing logs
or keeps them. What is personal is told only to keys with the scope `personal`.
"""

from typing import Annotated

from fastapi import APIRouter, Path

from omnihub.api.auth import Personal, Reader
from omnihub.api.customer_bodies import Customer, Found, Search
from omnihub.api.json_body import JSON_BODY
from omnihub.api.parts import Parts, PartsOf
from omnihub.api.problem import Fault, Problem
from omnihub.api.showing import customer as shown
from omnihub.model.ids import CustomerId, SubjectId
from omnihub.model.records import CustomerProfile, IdentifierKind

router = APIRouter(tags=["customers"])


@router.get("/v1/customers/{customer_id}", summary="A customer", response_model_exclude_unset=True)
def customer(
    parts: PartsOf, who: Reader, customer_id: Annotated[str, Path(max_length=128, min_length=1)]
) -> Customer:
    """Return the whole profile; the id of somebody who was merged leads to the survivor."""
    found = parts.views.customers.find(CustomerId(customer_id))
    if found is None:
        raise Problem("unknown-customer", "There is no such customer.")
    return shown(found, parts.views.customers, parts.opener_for(who))


@router.post(
    "/v1/customers/search",
    summary="Find customers",
    dependencies=JSON_BODY,
    response_model_exclude_unset=True,
)
def search(parts: PartsOf, who: Personal, body: Search) -> Found:
    """Find whom an e-mail address, a telephone number or a system's subject belongs to."""
    views, opener = parts.views.customers, parts.opener_for(who)
    return Found(items=[shown(each, views, opener) for each in _found(parts, body)])


def _found(parts: Parts, body: Search) -> tuple[CustomerProfile, ...]:
    views, tokens = parts.views.customers, parts.tokens
    if body.subject is not None:
        one = views.of_subject(SubjectId(body.subject))
        return (one,) if one else ()
    if body.email is not None:
        kind, token = IdentifierKind.EMAIL, tokens.email(body.email)
    else:
        kind, token = IdentifierKind.PHONE, tokens.phone(body.phone or "")
    if token is None:
        name = kind.value.lower()
        detail = f"this is no {name} that could be reached"
        raise Problem(
            "invalid", errors=[Fault(pointer=f"#/{name}", code="unusable", detail=detail)]
        )
    return views.identified(kind, token)
