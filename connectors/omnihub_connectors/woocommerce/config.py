"""Configuration of one WooCommerce shop."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, SecretStr

from omnihub.connect.sdk import ConnectorConfig

MAX_PER_PAGE = 100
Resource = Literal["product", "order", "customer"]


class ConsentMeta(BaseModel):
    """What a yes or no in a meta field of customers and orders is about."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channel: str = Field(description="Where the person may be addressed: email, sms, post ...")
    purpose: str = Field(default="marketing", description="What for.")


class WooCommerceConfig(ConnectorConfig):
    """The `config` section of a connector of type `woocommerce`."""

    url: HttpUrl = Field(
        description="Address of the shop, without /wp-json. Over plain http a real WooCommerce "
        "ignores keys: use https."
    )
    consumer_key: SecretStr = Field(
        description="WooCommerce > Settings > Advanced > REST API, permissions Read/Write: ck_..."
    )
    consumer_secret: SecretStr = Field(description="The secret shown with the key: cs_...")
    webhook_secrets: tuple[SecretStr, ...] = Field(
        default=(),
        max_length=2,
        description="Live webhook secrets, the first one is used for new webhooks. Two while one "
        "replaces the other; none switches webhooks off and leaves changes to the poll.",
    )
    webhook_url: HttpUrl | None = Field(
        default=None,
        description="Where the shop reaches this instance's webhook address. Given, the connector "
        "subscribes by itself and switches on again what failures disabled.",
    )
    poll_interval_s: Annotated[float, Field(gt=0)] = Field(
        default=15.0, description="Pause between two looks for changed products and orders."
    )
    settle_s: Annotated[int, Field(ge=1)] = Field(
        default=2,
        description="A change is polled when the shop's clock is this far past it: its dates have "
        "whole seconds, so a second is read when nothing more can happen in it.",
    )
    page_size: Annotated[int, Field(ge=1, le=MAX_PER_PAGE)] = Field(
        default=MAX_PER_PAGE, description="Products a page."
    )
    stock_location: str | None = Field(
        default=None,
        description="The shop's own code of the place its quantities count. Only for a shop that "
        "owns stock; otherwise its quantities are observations.",
    )
    resources: tuple[Resource, ...] = Field(
        default=("product", "order", "customer"),
        description="What is read from the shop, by webhook and poll.",
    )
    customers_interval_s: Annotated[float, Field(gt=0)] = Field(
        default=900.0,
        description="Pause between two looks through all customers: the shop cannot be asked "
        "which of them changed, so this finds what webhooks lost.",
    )
    paid_later: tuple[str, ...] = Field(
        default=("cod",),
        description="Payment methods that are paid when the goods are handed over; orders on any "
        "other method wait for their payment.",
    )
    trusts_email: bool = Field(
        default=False,
        description="The shop proves e-mail addresses before an account or order is taken.",
    )
    loyalty_card_meta: str | None = Field(
        default=None, description="Customer meta field that holds a loyalty card number."
    )
    loyalty_programme: str = Field(
        default="loyalty", description="Programme in which that number is unique."
    )
    trusts_loyalty_card: bool = Field(
        default=False, description="The shop proves that the card is the customer's own."
    )
    consents: dict[str, ConsentMeta] = Field(
        default_factory=dict,
        description="Meta fields of customers and orders that say yes or no to being addressed.",
    )
