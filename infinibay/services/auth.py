"""Logging in, and who is behind an access token."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from infinibay.core.access import Principal, Role, may_edit_user
from infinibay.core.accounts import email_key
from infinibay.core.identifiers import canonical
from infinibay.db import rows, sessions, users
from infinibay.db.client import Database
from infinibay.errors import Forbidden, NotFound, Unauthenticated
from infinibay.secrets import Vault
from infinibay.services.credentials import Credentials
from infinibay.services.passwords import Passwords

_ALGORITHM = "HS256"
_REFUSED = "Invalid credentials"
_INVALID = "The access token is not valid; log in again"
_EXPIRED = "The session has expired; log in again"
_ENDED = "The session has ended; log in again"


@dataclass(frozen=True)
class LoginResult:
    """A session's user and its token, which is shown once and kept nowhere."""

    user: rows.User
    token: str = field(repr=False)


def token_key(tokenkey: str | None, vault: Vault) -> bytes:
    """The 32 bytes that sign access tokens: from the setting TOKENKEY, else from the key file."""
    return hashlib.sha256(tokenkey.encode()).digest() if tokenkey else vault.token_key()


class AuthService:
    """Tokens are JWTs (HS256) with the claims userId, userRole, sid, iat and exp; each has a session row that is
    looked at with every request, so that it ends at once by logout, revocation, password or role change, deletion."""

    def __init__(
        self,
        database: Database,
        passwords: Passwords,
        credentials: Credentials,
        key: bytes,
        *,
        lifetime: timedelta,
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._credentials = credentials
        self._key = key
        self._lifetime = lifetime

    async def login(self, email: str, password: str, address: str = "") -> LoginResult:
        """Opens a session for a client at a network address ("" when it has none).

        Unauthenticated is the same for an unknown e-mail address and a wrong password. Raises TooManyRequests when
        there were too many of those.
        """
        account = email_key(email)
        async with self._credentials.trial(account, address) as trial:
            user = await users.find_by_email_key(self._database, account)
            stored = user.passwordHash if user is not None and user.deletedAt is None else None
            if not await trial.matches(password, stored) or user is None or stored is None:
                raise Unauthenticated(_REFUSED)
        if self._passwords.outdated(stored):
            renewed = await self._passwords.hash(password)
            await users.replace_password_hash(self._database, user.id, stored, renewed)
            stored = renewed
        return await self._open(user, stored)

    async def authenticate(self, token: str) -> Principal:
        """The principal of a token. Raises Unauthenticated with the reason."""
        claims = self._claims(token)
        session_id = canonical(str(claims["sid"]))
        holder = await sessions.holder(self._database, session_id, datetime.now(UTC)) if session_id else None
        if session_id is None or holder is None or holder.user_id != claims["userId"]:
            raise Unauthenticated(_INVALID)
        if holder.ended:
            raise Unauthenticated(_ENDED)
        if holder.expired:
            raise Unauthenticated(_EXPIRED)
        if holder.role != claims["userRole"]:
            raise Unauthenticated(_ENDED)
        return Principal(user_id=holder.user_id, role=Role(holder.role), session_id=session_id)

    async def current_user(self, principal: Principal) -> rows.User:
        user = await users.find(self._database, principal.user_id)
        if user is None:
            raise Unauthenticated(_ENDED)
        return user

    async def logout(self, principal: Principal) -> None:
        """Ends the principal's session."""
        await sessions.revoke(self._database, principal.session_id)

    async def revoke_sessions(self, principal: Principal, user_id: str) -> int:
        """Ends all sessions of a user and returns how many: the own, or as administrator those up to the own rank."""
        if user_id != principal.user_id:
            if not principal.is_admin:
                raise Forbidden
            user = await users.find(self._database, user_id)
            if user is None:
                raise NotFound("User not found")
            if not may_edit_user(principal, user.id, Role(user.role)):
                raise Forbidden
        return await sessions.revoke_all(self._database, user_id)

    async def _open(self, user: rows.User, password_hash: str) -> LoginResult:
        now = datetime.now(UTC)
        await sessions.purge_expired(self._database, user.id)
        async with self._database.tx() as tx:
            # A new password ends the sessions that there are; none with the old one may follow.
            if not await users.keep_password(tx, user.id, password_hash):
                raise Unauthenticated(_REFUSED)
            session = await sessions.open_session(tx, user.id, now + self._lifetime)
        claims = {
            "userId": user.id,
            "userRole": str(user.role),
            "sid": session.id,
            "iat": now,
            "exp": now + self._lifetime,
        }
        return LoginResult(user=user, token=jwt.encode(claims, self._key, algorithm=_ALGORITHM))

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            return jwt.decode(
                token, self._key, algorithms=[_ALGORITHM], options={"require": ["userId", "userRole", "sid", "exp"]}
            )
        except jwt.ExpiredSignatureError:
            raise Unauthenticated(_EXPIRED) from None
        except jwt.InvalidTokenError:
            raise Unauthenticated(_INVALID) from None
