"""Opens the books of an empty Tryton: currency, company, chart of accounts, accounting category.

Guarantees: what is there already is kept; running it twice changes nothing.
Does not: set up taxes or fiscal years.
"""

from datetime import date
from decimal import Decimal
from typing import Any

from pydantic import SecretStr

from omnihub_connectors.tryton.rpc import Domain, TrytonRpc

_CHART_WIZARD = "wizard.account.create_chart"
_IS_OPEN = ["closed", "!=", True]
"""Group accounts are closed: a sale of a product that posts to one fails when processed."""
_LONG_AGO = date(2020, 1, 1)


async def open_books(rpc: TrytonRpc, company_name: str, currency: str = "USD") -> None:
    """Make `company_name` a company that can account and stock goods, in `currency`."""
    company = await _company(rpc, company_name, currency)
    if await first(rpc, "account.account", [["type.receivable", "=", True]]) is None:
        await _create_chart(rpc, company)
    if await first(rpc, "product.category", [["accounting", "=", True]]) is None:
        await _create_category(rpc)


async def first(rpc: TrytonRpc, model: str, domain: Domain) -> int | None:
    """Return the id of the first record of `model` that matches."""
    ids: list[int] = await rpc.call(f"model.{model}.search", domain, 0, 1, None, repeatable=True)
    return ids[0] if ids else None


async def the(rpc: TrytonRpc, model: str, domain: Domain) -> int:
    """Return the id of the first record of `model` that matches, which must be there."""
    if (found := await first(rpc, model, domain)) is None:
        raise LookupError(f"Tryton has no {model} with {domain}")
    return found


async def _company(rpc: TrytonRpc, name: str, currency: str) -> int:
    if (known := await first(rpc, "company.company", [])) is not None:
        return known
    party = (await rpc.create("party.party", [{"name": name}]))[0]
    money = await _currency(rpc, currency)
    company = (await rpc.create("company.company", [{"party": party, "currency": money}]))[0]
    admin = await the(rpc, "res.user", [["login", "=", "admin"]])
    values = {"companies": [["add", [company]]], "company": company}
    await rpc.call("model.res.user.write", [admin], values)
    rpc.forget_session()  # the user's context has a company now
    return company


async def _currency(rpc: TrytonRpc, code: str) -> int:
    if (known := await first(rpc, "currency.currency", [["code", "=", code]])) is not None:
        return known
    values = {
        "name": code,
        "symbol": code,
        "code": code,
        "digits": 2,
        "rounding": Decimal("0.01"),
        "rates": [["create", [{"date": _LONG_AGO, "rate": Decimal(1)}]]],
    }
    return (await rpc.create("currency.currency", [values]))[0]


async def _create_chart(rpc: TrytonRpc, company: int) -> None:
    template = await the(rpc, "account.account.template", [["parent", "=", None]])
    session = (await rpc.call(f"{_CHART_WIZARD}.create"))[0]

    async def step(values: dict[str, Any], state: str) -> None:
        await rpc.call(f"{_CHART_WIZARD}.execute", session, values, state)

    await step({"start": {}}, "account")
    chosen = {"account_template": template, "company": company}
    await step({"account": chosen}, "create_account")
    needs_party = ["party_required", "=", True]
    properties = {
        "company": company,
        "account_receivable": await the(
            rpc, "account.account", [["type.receivable", "=", True], needs_party]
        ),
        "account_payable": await the(
            rpc, "account.account", [["type.payable", "=", True], needs_party]
        ),
    }
    await step({"properties": properties}, "create_properties")
    await rpc.call(f"{_CHART_WIZARD}.delete", session)


async def _create_category(rpc: TrytonRpc) -> None:
    revenue = [["type.revenue", "=", True], _IS_OPEN]
    expense = [["type.expense", "=", True], _IS_OPEN]
    values = {
        "name": "Goods",
        "accounting": True,
        "account_revenue": await the(rpc, "account.account", revenue),
        "account_expense": await the(rpc, "account.account", expense),
    }
    await rpc.create("product.category", [values])


async def add_user(
    rpc: TrytonRpc, login: str, password: SecretStr, groups: tuple[str, ...]
) -> None:
    """Add a user of the company with the rights of `groups`; it must not be there yet."""
    company = await the(rpc, "company.company", [])
    members = [await the(rpc, "res.group", [["name", "=", name]]) for name in groups]
    values = {
        "name": login,
        "login": login,
        "password": password.get_secret_value(),
        "companies": [["add", [company]]],
        "company": company,
        "groups": [["add", members]],
    }
    await rpc.create("res.user", [values])
