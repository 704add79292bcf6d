"""Configuration of one app."""

from pydantic import Field, SecretStr

from omnihub.connect.sdk import ConnectorConfig


class AppConfig(ConnectorConfig):
    """The `config` section of a connector of type `app`."""

    write_keys: tuple[SecretStr, ...] = Field(
        min_length=1,
        description="Live write keys. Several while one replaces another, or one for each sender.",
    )
    trusts_user_id: bool = Field(
        default=True, description="A `userId` is a login of the retailer's own, proven by it."
    )
    trusts_email: bool = Field(
        default=False, description="An e-mail address is sent only after it was proven."
    )
    trusts_phone: bool = Field(
        default=False, description="A telephone number is sent only after it was proven."
    )
    trusts_loyalty_card: bool = Field(
        default=False, description="A loyalty card is sent only for the person it belongs to."
    )
    loyalty_trait: str = Field(
        default="loyalty_card", description="Trait that holds a loyalty card number."
    )
    loyalty_programme: str = Field(
        default="loyalty", description="Programme in which that number is unique."
    )
    region: str | None = Field(
        default=None,
        description="ISO 3166 country of telephone numbers that are sent without + and country.",
    )
    paid_later: tuple[str, ...] = Field(
        default=("cod", "pay_in_store", "on_collection"),
        description="Values of `payment_method` that are paid when the goods are handed over.",
    )
    prices_include_tax: bool = Field(
        default=True,
        description="Product prices hold their tax. If not, the order's tax is dealt to its lines.",
    )
