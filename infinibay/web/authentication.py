"""Who is behind a request: the header Authorization becomes a principal, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass

from infinibay.core.access import Principal
from infinibay.errors import InfinibayError, Unauthenticated, Unavailable
from infinibay.services.auth import AuthService


@dataclass(frozen=True)
class Identity:
    """A principal, or what kept the caller anonymous; both None when nothing was sent."""

    principal: Principal | None = None
    refusal: InfinibayError | None = None


async def identify(auth: AuthService, authorization: str | None) -> Identity:
    """The identity behind `Bearer <token>` (in any case) or a bare token. A request with a wrong token goes on as
    anonymous, so that it may still log in; guarded fields answer with the reason."""
    token = token_of(authorization)
    if token is None:
        return Identity()
    try:
        return Identity(principal=await auth.authenticate(token))
    except (Unauthenticated, Unavailable) as error:
        return Identity(refusal=error)


def token_of(authorization: str | None) -> str | None:
    """The token of a header's value; None when there is none in it."""
    words = (authorization or "").split()
    if words and words[0].lower() == "bearer":
        words = words[1:]
    return " ".join(words) or None
