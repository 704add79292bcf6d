"""Who is one customer: computed from what the buyers tell each channel, not from the hub's rules.

Guarantees: pure. The web store and the app are told an e-mail address that the retailer proved: a
household is one customer in both. Staff on the phone note the number, and whoever calls from it is
one caller. The app is told a number, too, but nobody proved it, and neighbours share numbers: a
caller is nobody's e-mail address. Rests on this: no caller has an order in the app that the ERP
books as a sale with its own party (`dealing`), for staff would find that party by its number.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from omnihub_demo.dealing import Channel, Orders
from omnihub_demo.order_readings import Found, Sought

EMAIL, PHONE = "email", "phone"
Customers = Mapping[Sought, Sequence[Found]]


def expected_persons(orders: Orders) -> dict[Sought, frozenset[str]]:
    """Return by what each customer must be found, and which systems must know them."""
    known: dict[Sought, set[str]] = defaultdict(set)
    for order in orders.placed:
        if order.channel is Channel.PHONE:
            known[Sought(PHONE, order.household.phone)].add(order.channel.value)
        else:
            known[Sought(EMAIL, order.household.email)].add(order.channel.value)
    return {sought: frozenset(sources) for sought, sources in known.items()}


def merged_wrongly(customers: Customers) -> int:
    """Count customers in whom the hub sees several persons."""
    found = Counter(
        customer_id
        for sought in customers
        for customer_id in {each.customer_id for each in _meant(sought, customers)}
    )
    return sum(times > 1 for times in found.values())


def person_faults(customers: Customers, expected: Mapping[Sought, frozenset[str]]) -> Iterator[str]:
    """Yield every person that is not one customer, or not the same in all their systems."""
    for sought, sources in sorted(expected.items()):
        found = _meant(sought, customers)
        if len(found) != 1:
            yield f"{sought.value} is {len(found)} customers"
        elif found[0].sources != sources:
            known, wanted = (", ".join(sorted(each)) for each in (found[0].sources, sources))
            yield f"{sought.value} is known to {known}, not to {wanted}"


def _meant(sought: Sought, customers: Customers) -> list[Found]:
    """Return who is meant: not those who told the app a number that somebody calls from."""
    found = customers.get(sought, ())
    caller = Channel.PHONE.value
    return [each for each in found if sought.kind != PHONE or caller in each.sources]
