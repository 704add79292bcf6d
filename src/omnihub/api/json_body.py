"""Routes that take a body take JSON alone."""

from fastapi import Depends, Request

from omnihub.api.problem import Problem


def json_only(request: Request) -> None:
    """Refuse a body of another type before it is read."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Problem("unsupported-media-type", f"Content-Type is '{kind[:100]}'.")


JSON_BODY = [Depends(json_only)]
