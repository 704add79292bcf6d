"""Configuration of a Tryton instance."""

from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, SecretStr

from omnihub.connect.sdk import ConnectorConfig
from omnihub_connectors.tryton.rpc import Account


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"'{name}' is no IANA time zone, such as Europe/Brussels") from error
    return name


class TrytonConfig(ConnectorConfig):
    """Where the ERP is, who signs in, and which of its locations are kept in step."""

    url: str = Field(pattern=r"^https?://", description="Address of trytond, without database.")
    database: str = Field(min_length=1)
    user: str = Field(min_length=1, description="Login of a user with the company set.")
    password: SecretStr
    locations: tuple[str, ...] = Field(
        min_length=1, description="Codes of the storage locations whose goods are followed."
    )
    timezone: Annotated[str, AfterValidator(_known_zone)] = Field(
        default="UTC", description="Zone of the company: Tryton knows days, not times of day."
    )
    lost_found: str | None = Field(
        default=None,
        description="Name of the lost-and-found location that takes what is sold; "
        "needed when there are several.",
    )
    read_sales: bool = Field(
        default=False,
        description="Read confirmed sales that staff made as orders; needs the module sale.",
    )
    payment_of_sales: Literal["PAID", "ON_COLLECTION"] = Field(
        default="ON_COLLECTION", description="How a sale that staff confirmed counts as paid."
    )
    poll_interval_s: float = Field(default=5.0, gt=0)
    late_commit_s: float = Field(
        default=60.0,
        ge=0,
        description="How long a transaction may last and still be seen: rows carry the time at "
        "which it began, and appear when it ends.",
    )
    write_interval_s: float = Field(
        default=0.0,
        ge=0,
        description="Shortest time between two writes: bigger documents, less work for the ERP.",
    )

    @property
    def account(self) -> Account:
        """How to sign in."""
        return Account(self.url, self.database, self.user, self.password)
