"""The registry's error answers, with Confluent's codes and words."""

from omnihub.model.errors import OmniHubError


class RegistryFault(OmniHubError):
    """An answer other than 2xx: HTTP `status`, Confluent `code`, message."""

    def __init__(self, code: int, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status or int(str(code)[:3])


def no_subject(subject: str) -> RegistryFault:
    """The subject has no version (that is not deleted)."""
    return RegistryFault(40401, f"Subject '{subject}' not found.")


def no_version(version: int) -> RegistryFault:
    """The subject lacks this version."""
    return RegistryFault(40402, f"Version {version} not found.")


def no_schema(schema_id: int | None = None) -> RegistryFault:
    """No schema has this id, or the subject does not hold it."""
    words = "Schema not found" if schema_id is None else f"Schema {schema_id} not found"
    return RegistryFault(40403, words)


def already_deleted(subject: str, version: int | None = None) -> RegistryFault:
    """A soft delete of what is soft-deleted."""
    if version is None:
        cure = "Set permanent=true to delete permanently"
        return RegistryFault(40404, f"Subject '{subject}' was soft deleted. {cure}")
    cure = "Set permanent=true to delete permanently"
    return RegistryFault(40406, f"Subject '{subject}' Version {version} was soft deleted. {cure}")


def not_yet_deleted(subject: str, version: int | None = None) -> RegistryFault:
    """A permanent delete of what is not soft-deleted."""
    why = "was not deleted first before being permanently deleted"
    if version is None:
        return RegistryFault(40405, f"Subject '{subject}' {why}")
    return RegistryFault(40407, f"Subject '{subject}' Version {version} {why}")


def no_own_level(subject: str) -> RegistryFault:
    """The subject has no compatibility level of its own."""
    words = "does not have subject-level compatibility configured"
    return RegistryFault(40408, f"Subject '{subject}' {words}")


def no_own_mode(subject: str) -> RegistryFault:
    """The subject has no mode of its own."""
    return RegistryFault(40409, f"Subject '{subject}' does not have subject-level mode configured")


def incompatible(subject: str, details: list[str]) -> RegistryFault:
    """The schema may not follow the earlier ones."""
    words = "Schema being registered is incompatible with an earlier schema for subject"
    return RegistryFault(409, f'{words} "{subject}", details: {details}')


def invalid_schema(detail: str) -> RegistryFault:
    """The text is no Avro schema."""
    return RegistryFault(42201, f"Invalid schema: {detail}")


def invalid_version(version: str) -> RegistryFault:
    """The version is neither a positive number nor latest."""
    words = f"The specified version '{version}' is not a valid version id."
    allowed = 'Allowed values are between [1, 2^31-1] and the string "latest"'
    return RegistryFault(42202, f"{words} {allowed}")


def invalid_level(level: object) -> RegistryFault:
    """No such compatibility level."""
    valid = "none, backward, forward, full, backward_transitive, forward_transitive"
    words = f"Invalid compatibility level {level}. Valid values are {valid}, and full_transitive"
    return RegistryFault(42203, words)


def invalid_mode(mode: object) -> RegistryFault:
    """No such mode."""
    return RegistryFault(42204, f"Invalid mode {mode}. Valid values are READWRITE, READONLY")


def read_only(subject: str) -> RegistryFault:
    """Writing is switched off."""
    return RegistryFault(42205, f"Subject {subject} is in read-only mode")


def store_failed() -> RegistryFault:
    """The topic did not take the change; whether it did shows at the next read."""
    return RegistryFault(50001, "Error in the backend datastore: Kafka did not answer. Try again.")
