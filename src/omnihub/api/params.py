"""The parameters in paths and queries that several routes share."""

from typing import Annotated

from fastapi import Path, Query
from pydantic import StringConstraints
from pydantic.json_schema import SkipJsonSchema

SkuPath = Annotated[str, Path(max_length=128, min_length=1, examples=["4711"])]
ChannelPath = Annotated[str, Path(max_length=128, min_length=1, examples=["WEB"])]
# A parameter is absent or text; null cannot be sent, so the document must not offer it.
Filter = Annotated[
    Annotated[str, StringConstraints(max_length=128)] | SkipJsonSchema[None], Query()
]
Cursor = Annotated[
    Annotated[str, StringConstraints(max_length=1024)] | SkipJsonSchema[None],
    Query(description="`next_cursor` of the page before."),
]
Limit = Annotated[int, Query(ge=1, le=500, description="Most items of a page.")]
