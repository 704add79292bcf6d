"""What can go wrong between bytes, schemas and topics.

Messages name the value, its place and the cure; none holds a record's content.
"""

from omnihub.model.errors import ConfigurationError, ParkError, RetryableError


class ContractError(ConfigurationError):
    """The contract (schemas, topics.yaml) contradicts itself or what is asked of it."""


class UnknownSchema(RetryableError):
    """A schema id cannot be resolved now, because the registry does not answer: try again."""


class Undecodable(ParkError):
    """These bytes are no record of ours, now or later: park them."""

    def __init__(self, reason: str, cure: str) -> None:
        super().__init__(f"Value cannot be decoded: {reason}", cure=cure)


class NewerSchema(Undecodable):
    """A row was written by a newer release, which knows fields that this one would lose."""

    def __init__(self, name: str, schema_id: int, own_id: int) -> None:
        super().__init__(
            f"'{name}' under schema id {schema_id}, newer than this release's {own_id}",
            cure="Run the newer release: docs/upgrade.md.",
        )
