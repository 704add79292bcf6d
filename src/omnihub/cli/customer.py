"""`omnihub customer`: who somebody is over all systems.

What is personal is shown with --personal only. Give a value to search by as `-` to type it (or
pipe it) instead of leaving it in the shell's history.
"""

import sys
from typing import Annotated

import typer

from omnihub.api.customer_bodies import Customer
from omnihub.api.showing import customer as shown
from omnihub.cli.context import JsonOption, options_of
from omnihub.cli.given import local_tokens_of, opener_of, views_of
from omnihub.cli.output import Exit, moment, print_json, print_rows, stderr, stdout
from omnihub.connect.personal import Tokens
from omnihub.model.errors import ConfigurationError
from omnihub.model.ids import CustomerId, SubjectId
from omnihub.model.records import CustomerProfile, IdentifierKind
from omnihub.views.customers import CustomerViews

app = typer.Typer(help="Customers.", no_args_is_help=True)
Personal = Annotated[bool, typer.Option("--personal", help="Show what is personal.")]


@app.command()
def show(
    context: typer.Context,
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="Customer id.")],
    personal: Personal = False,
    as_json: JsonOption = False,
) -> None:
    """Show a customer: which systems know them, what they allow."""
    install = options_of(context).installation()
    views = views_of(install).customers
    found = views.find(CustomerId(customer))
    if found is None:
        stderr().print(f"There is no customer '{customer}'. See `omnihub customer find`.")
        raise typer.Exit(Exit.FAILED)
    body = shown(found, views, opener_of(install) if personal else None)
    if as_json:
        print_json(body.model_dump(exclude_unset=True))
    else:
        _print(body)


@app.command()
def find(
    context: typer.Context,
    email: Annotated[str | None, typer.Option(help="E-mail address, or - to type it.")] = None,
    phone: Annotated[str | None, typer.Option(help="Number with +, or - to type it.")] = None,
    subject: Annotated[str | None, typer.Option(help="The id of a system's customer.")] = None,
    personal: Personal = False,
    as_json: JsonOption = False,
) -> None:
    """Find customers by exactly one of these; exit code 1 when there is none."""
    if sum(one is not None for one in (email, phone, subject)) != 1:
        raise ConfigurationError("Give exactly one of --email, --phone, --subject.")
    install = options_of(context).installation()
    views = views_of(install).customers
    if subject is not None:
        one = views.of_subject(SubjectId(subject))
        found: tuple[CustomerProfile, ...] = (one,) if one else ()
    else:
        found = _identified(views, local_tokens_of(install), _typed(email), _typed(phone))
    opener = opener_of(install) if personal else None
    bodies = [shown(each, views, opener) for each in found]
    if as_json:
        print_json([body.model_dump(exclude_unset=True) for body in bodies])
    for body in () if as_json else bodies:
        _print(body)
    if not found:
        stderr().print("Nobody is known by this.")
        raise typer.Exit(Exit.FAILED)


def _typed(value: str | None) -> str | None:
    if value != "-":
        return value
    if sys.stdin.isatty():
        stderr().print("Value: ", end="")
    return sys.stdin.readline().strip()


def _identified(
    views: CustomerViews, tokens: Tokens, email: str | None, phone: str | None
) -> tuple[CustomerProfile, ...]:
    kind = IdentifierKind.EMAIL if email is not None else IdentifierKind.PHONE
    token = tokens.email(email) if email is not None else tokens.phone(phone or "")
    if token is None:
        raise ConfigurationError(f"This is no {kind.value.lower()} that could be reached.")
    return views.identified(kind, token)


def _print(customer: Customer) -> None:
    out = stdout()
    known_by = ", ".join(sorted({one.kind for one in customer.identifiers})) or "nothing"
    out.print(f"{customer.customer_id}  known by {known_by}", markup=False)
    seen = f"{moment(customer.first_seen_us)} to {moment(customer.last_seen_us)}"
    out.print(f"seen {seen}  segments: {', '.join(customer.segments) or 'none'}", markup=False)
    if customer.personal is not None:
        told = customer.personal.model_dump(exclude_none=True)
        out.print("  ".join(f"{name}: {value}" for name, value in told.items()), markup=False)
    rows = [{"system": one.source, "subject": one.subject} for one in customer.subjects]
    print_rows(rows, ("system", "subject"), "No system is linked.")
    allowed = [one.model_dump() for one in customer.consents]
    if allowed:
        print_rows(allowed, ("channel", "purpose", "state"), "")
