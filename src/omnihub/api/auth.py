"""Who may call: API keys as bearer tokens, one scope a route.

Guarantees: 401 without a known key, 403 with one of too small a scope; the run's own token, known
to the supervisor and to this machine's owner only, reads.
"""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from omnihub.api.problem import Problem
from omnihub.ops.keys import Guard, KeyEntry, Scope

_bearer = HTTPBearer(
    auto_error=False, scheme_name="ApiKey", description="An API key (`omnihub keys add`)."
)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]


def needs(scope: Scope) -> Callable[[Request, Credentials], KeyEntry]:
    """Return a dependency that lets only keys with `scope` pass, and returns the key's entry."""

    def check(request: Request, credentials: Credentials) -> KeyEntry:
        guard: Guard = request.app.state.parts.guard
        entry = guard.identify(credentials.credentials) if credentials else None
        if entry is None:
            raise Problem(
                "unauthorized",
                "Send `Authorization: Bearer KEY` with a key of `omnihub keys list`.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        if not entry.allows(scope):
            raise Problem("forbidden", f"Key '{entry.name}' has scope {entry.scope}, not {scope}.")
        return entry

    return check


Reader = Annotated[KeyEntry, Depends(needs(Scope.READ))]
Writer = Annotated[KeyEntry, Depends(needs(Scope.WRITE))]
Personal = Annotated[KeyEntry, Depends(needs(Scope.PERSONAL))]
Admin = Annotated[KeyEntry, Depends(needs(Scope.ADMIN))]
