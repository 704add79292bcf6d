"""What commands about orders and people are given: files, bodies, the views, the right to open."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from omnihub.connect.personal import Tokens
from omnihub.model.errors import ConfigurationError
from omnihub.wiring.installation import Installation
from omnihub.wiring.privacy import sealer_of, tokens_of, vault_of

if TYPE_CHECKING:
    from omnihub.api.showing import Opener
    from omnihub.views.queries import Views

B = TypeVar("B", bound=BaseModel)
_RIGHT = "Run it as the user that OmniHub runs as: only the owner of the master key sees it."


def views_of(install: Installation) -> "Views":
    """Return the views of an installation, empty when nothing ran yet."""
    from omnihub.views.queries import Views
    from omnihub.views.schema import open_views

    install.data_dir.mkdir(parents=True, exist_ok=True)
    return Views(open_views(install.views_url), install.tenant)


def text_of(path: Path) -> str:
    """Return the text of a file.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {type(error).__name__}.") from None


def body_of(kind: type[B], told: str | dict[str, Any], place: str) -> B:
    """Return a body as the API takes it.

    Raises:
        ConfigurationError: it has the wrong form; names the fields, never their values.
    """
    try:
        if isinstance(told, dict):
            return kind.model_validate(told)
        return kind.model_validate(json.loads(told))
    except ValueError as error:
        if not isinstance(error, ValidationError):
            raise ConfigurationError(f"{place} is no JSON.") from None
        faults = [
            f"{'.'.join(map(str, fault['loc'])) or 'the whole'}: {fault['msg']}"
            for fault in error.errors(include_input=False)
        ]
        raise ConfigurationError(f"{place} is not as needed. " + "; ".join(faults)) from None


def opener_of(install: Installation) -> "Opener":
    """Return what opens sealed fields, for whoever may read the installation's master key."""
    try:
        return sealer_of(install).open_record
    except PermissionError as error:
        raise ConfigurationError(f"'{error.filename}' is not for you. {_RIGHT}") from None


def local_tokens_of(install: Installation) -> Tokens:
    """Return the tenant's keyed hashes, for whoever may read the installation's master key."""
    try:
        return tokens_of(install, vault_of(install))
    except PermissionError as error:
        raise ConfigurationError(f"'{error.filename}' is not for you. {_RIGHT}") from None
