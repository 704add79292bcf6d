"""Secrets by reference: `${env:NAME}` or `${file:/path}`, never the secret itself.

Guarantees: a literal is refused without being repeated in the message; a missing one is named.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, SecretStr
from pydantic_core import PydanticCustomError

from omnihub.model.errors import ConfigurationError

LITERAL_FAULT = "literal_secret"
_REFERENCE = re.compile(r"\$\{(env|file):([^}]+)\}")


def is_reference(text: str) -> bool:
    """Tell whether `text` is one whole reference."""
    return _REFERENCE.fullmatch(text) is not None


def resolve(reference: str, environ: Mapping[str, str], folder: Path) -> SecretStr:
    """Return what `reference` points at; a relative file is looked up in `folder`.

    Raises:
        ConfigurationError: not a reference, or it points at nothing.
    """
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise ConfigurationError("A secret is given in clear. Write ${env:NAME} or ${file:PATH}.")
    kind, name = match.groups()
    if kind == "env":
        if not (value := environ.get(name, "")):
            raise ConfigurationError(f"{reference}: {name} is not set. Set it in the environment.")
        return SecretStr(value)
    path = folder / name
    try:
        return SecretStr(path.read_text(encoding="utf-8").rstrip("\n"))
    except OSError as error:
        raise ConfigurationError(
            f"{reference}: {path} cannot be read ({error.strerror}). Create it, mode 0600."
        ) from error


def _only_reference(text: str) -> str:
    if not is_reference(text):
        raise PydanticCustomError(
            LITERAL_FAULT, "is a secret given in clear; write ${env:NAME} or ${file:PATH}"
        )
    return text


SecretRef = Annotated[str, AfterValidator(_only_reference)]
"""A configuration value that must be a reference to a secret."""
