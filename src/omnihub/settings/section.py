"""What every section of the configuration is made of: frozen models and safe names.

Guarantees: unknown keys are errors; names that become parts of topics and keys cannot break them.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

# Parts of Kafka keys are joined with ":" and parts of topic names with ".".
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Code = Annotated[str, StringConstraints(pattern=r"^[^\s:]{1,128}$")]
Port = Annotated[int, Field(ge=0, le=65535)]


class Section(BaseModel):
    """A part of the configuration: frozen, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
