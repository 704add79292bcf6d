"""An app, or a server of the retailer, that speaks to the hub by a Segment library.

Guarantees: a call is answered with 200 once it is durable; the library repeats what was not.
Does not: poll or write; the app learns of its orders from the hub's API.
"""

from typing import ClassVar

from omnihub.connect.calls import CallScheme
from omnihub.connect.sdk import Connector, Finding, Health
from omnihub_connectors.app.config import AppConfig
from omnihub_connectors.app.forms import CALLS, KEY_FIELD, SUCCESS, fault_of
from omnihub_connectors.app.mapping import AppMapping

MIN_KEY_LENGTH = 16


class App(Connector[AppConfig]):
    """The I/O half: only a door."""

    name: ClassVar[str] = "app"
    config_type = AppConfig
    mapping_type = AppMapping

    @classmethod
    def calls(cls, config: AppConfig) -> CallScheme | None:
        """Take the provider's calls, proven by a write key."""
        return CallScheme(config.write_keys, CALLS, KEY_FIELD, fault_of, SUCCESS)

    async def check(self) -> list[Finding]:
        """Look at the write keys: nobody can be asked."""
        keys = [key.get_secret_value() for key in self.config.write_keys]
        if any(len(key) < MIN_KEY_LENGTH for key in keys):
            cure = f"Use keys of at least {MIN_KEY_LENGTH} characters, made by chance."
            return [Finding("write keys", Health.WARNING, "one can be guessed", cure)]
        return [Finding("write keys", Health.OK, f"{len(keys)} live")]
