"""Which mails the buyers must get: one for each decision about each of their orders.

Guarantees: pure, from the dealt orders alone. Who ordered by phone left no address and gets none.
"""

from collections import Counter
from collections.abc import Iterator, Mapping

from omnihub_demo.dealing import Channel, Order
from omnihub_demo.order_readings import Mail
from omnihub_demo.placed import OrderKey, Placed

CONFIRMED, REFUSED = "order_confirmed", "order_refused"
READY, SHIPPED = "ready_for_pickup", "order_shipped"


def expected_mails(placed: Mapping[OrderKey, Placed]) -> Counter[Mail]:
    """Return how often each mail must be there."""
    return Counter(
        Mail(each.order.household.email, kind, key.number)
        for key, each in placed.items()
        if each.order.channel is not Channel.PHONE
        for kind in _kinds(each.order)
    )


def mail_faults(seen: Mapping[Mail, int], expected: Mapping[Mail, int]) -> Iterator[str]:
    """Yield every mail that is missing, repeated or not called for."""
    for mail in sorted(seen.keys() | expected.keys()):
        got, wanted = seen.get(mail, 0), expected.get(mail, 0)
        if got != wanted:
            yield f"{mail.address}: '{mail.kind}' of {mail.number} came {got} times, not {wanted}"


def _kinds(order: Order) -> tuple[str, ...]:
    if order.is_refused:
        return (REFUSED,)
    return (CONFIRMED, READY if order.place else SHIPPED)
