"""Exact amounts: how many digits a currency has, and from a source's decimals to minor units.

Guarantees: nothing passes through a float; a currency that ISO 4217 does not list is an error, not
a guess. Rounding is half up, as receipts do it; a source's own figures are never computed anew,
only summed and compared. Does not: convert currencies, or know how a payment provider counts.
"""

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from omnihub.model.errors import RejectedError
from omnihub.model.records import Money

MAX_SCALE = 6
"""Digits of a unit price after the point, see `Money.scale`."""

_DIGITS_OTHER_THAN_TWO = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_TWO_DIGITS = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD "
    "CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS "
    "GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD "
    "LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB "
    "PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP "
    "SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG"
)
_EXPONENTS = dict.fromkeys(_TWO_DIGITS.split(), 2) | {
    code: digits for digits, codes in _DIGITS_OTHER_THAN_TWO.items() for code in codes.split()
}
CURRENCIES = frozenset(_EXPONENTS)
"""The codes of ISO 4217 that are in use (without funds, metals and test codes)."""


def exponent_of(currency: str) -> int:
    """Return the ISO 4217 exponent of a currency code: 2 for EUR, 0 for JPY, 3 for KWD.

    Raises:
        RejectedError: `wrong_currency`, ISO 4217 lists no such code.
    """
    if (digits := _EXPONENTS.get(currency)) is None:
        detail = f"currency '{currency[:10]}' is no ISO 4217 code. Send one of three capitals."
        raise RejectedError("wrong_currency", detail)
    return digits


def decimal_of(text: str | Decimal, of: str) -> Decimal:
    """Return a finite decimal; `of` says in the error what it should have been.

    Raises:
        RejectedError: `bad_amount`.
    """
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise RejectedError("bad_amount", f"{of} is '{str(text)[:20]}', which is no number")
    return number


def minor_of(amount: Decimal, currency: str) -> int:
    """Return `amount` of the main unit in minor units, rounded half up."""
    return int(amount.scaleb(exponent_of(currency)).quantize(Decimal(1), ROUND_HALF_UP))


def money_of(amount: Decimal, currency: str) -> Money:
    """Return an exact amount: the currency's own scale, or up to six digits where it needs them."""
    least = exponent_of(currency)
    rounded = round(amount, MAX_SCALE)
    needed = max(0, -_exponent(rounded.normalize()))
    scale = max(least, needed)
    return Money(unscaled=int(rounded.scaleb(scale)), scale=scale, currency=currency)


def _exponent(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0
