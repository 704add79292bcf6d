"""Configuration of an SMTP instance."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

from omnihub.connect.sdk import ConnectorConfig
from omnihub_connectors.smtp.addresses import mailbox

Tls = Literal["none", "starttls", "tls"]
DEFAULT_PORTS: dict[Tls, int] = {"none": 25, "starttls": 587, "tls": 465}


def _mailbox(text: str) -> str:
    mailbox(text)
    return text


Mailbox = Annotated[str, AfterValidator(_mailbox)]


class SmtpConfig(ConnectorConfig):
    """Which server takes the mails, and who they are from."""

    host: str = Field(min_length=1, description="Name of the server, as its certificate says it.")
    port: int | None = Field(
        default=None, ge=1, le=65535, description="25, 587 with starttls, 465 with tls if absent."
    )
    tls: Tls = Field(default="starttls", description="`none` only to a server on this machine.")
    ca_file: Path | None = Field(
        default=None, description="PEM of the authority that signed the server's certificate."
    )
    username: str | None = None
    password: SecretStr | None = None
    sender: Mailbox = Field(description="`Shop <orders@shop.example>`, also where bounces go.")
    reply_to: Mailbox | None = None
    templates: Path | None = Field(
        default=None, description="Folder whose files replace built-in templates of the same name."
    )
    timeout_s: float = Field(default=30.0, gt=0)
    defer_max_s: float = Field(
        default=900.0,
        ge=0,
        description="How long a mail is tried again whose recipient the server defers (4xx).",
    )

    @property
    def at_port(self) -> int:
        """The port to connect to."""
        return self.port or DEFAULT_PORTS[self.tls]

    @model_validator(mode="after")
    def _signs_in_with_both_and_not_in_clear(self) -> "SmtpConfig":
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password come together. Set both")
        if self.password is not None and self.tls == "none":
            raise ValueError("the password would go in clear. Set tls to starttls or tls")
        return self
