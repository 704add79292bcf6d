"""Mail addresses, safe to put into an envelope and a header.

Guarantees: what `mailbox` and `address_of` return holds no line break, no control character and no
second address, so nobody's name or address can add a header or a recipient; domains are in their
ASCII form. Does not: take local parts beyond ASCII (SMTPUTF8), or ask whether a mailbox exists.
"""

import re
from email.headerregistry import Address
from email.utils import parseaddr

_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_LOCAL_MAX, _DOMAIN_MAX = 64, 255


def mailbox(text: str) -> Address:
    """Return `Name <local@domain>` or `local@domain`.

    Raises:
        ValueError: it is no single address.
    """
    name, address = parseaddr(text)
    return address_of(address, name)


def address_of(address: str, name: str = "") -> Address:
    """Return an address with the name to show.

    Raises:
        ValueError: it is no address this connector can write to; never says which.
    """
    local, _, domain = address.rpartition("@")
    if not _LOCAL.fullmatch(local) or len(local) > _LOCAL_MAX:
        raise ValueError("the part before @ is empty, too long or holds more than plain letters")
    return Address(on_one_line(name), local, _ascii_domain(domain))


def on_one_line(text: str) -> str:
    """Return `text` without line breaks and control characters, each run of blanks as one."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _ascii_domain(domain: str) -> str:
    try:
        ascii_form = domain.encode("idna").decode("ascii")
    except UnicodeError:
        ascii_form = ""
    if not _DOMAIN.fullmatch(ascii_form) or len(ascii_form) > _DOMAIN_MAX:
        raise ValueError("the part after @ is no domain")
    return ascii_form
