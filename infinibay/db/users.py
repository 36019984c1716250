"""Queries on users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from prisma import types

from infinibay.db import rows
from infinibay.db.client import Database

OrderColumn = Literal["id", "email", "firstName", "lastName", "role", "createdAt", "updatedAt"]
_FIRST_ADMIN_LOCK = 7270736903


@dataclass(frozen=True)
class NewUser:
    """What a user is written with."""

    email: str
    email_key: str
    password_hash: str = field(repr=False)
    first_name: str
    last_name: str
    role: rows.UserRole
    avatar: str | None = None


async def find(db: Database, user_id: str) -> rows.User | None:
    return await db.user.find_unique(where={"id": user_id})


async def find_by_email_key(db: Database, email_key: str) -> rows.User | None:
    return await db.user.find_unique(where={"emailKey": email_key})


async def lock_first(tx: Database) -> bool:
    """Whether there is no administrator; until the transaction ends, nobody else gets that answer."""
    await tx.execute_raw("SELECT pg_advisory_xact_lock($1::bigint)", _FIRST_ADMIN_LOCK)
    ranks = (rows.UserRole.ADMIN, rows.UserRole.SUPER_ADMIN)
    return sum([await count_with_role(tx, rank) for rank in ranks]) == 0


async def create(db: Database, user: NewUser) -> rows.User:
    """Raises UniqueViolation when the e-mail address is taken."""
    return await db.user.create(
        data={
            "email": user.email,
            "emailKey": user.email_key,
            "passwordHash": user.password_hash,
            "firstName": user.first_name,
            "lastName": user.last_name,
            "role": user.role,
            "avatar": user.avatar,
        }
    )


async def update(tx: Database, user_id: str, changes: Mapping[str, Any]) -> rows.User | None:
    """The changed user; None when it is gone. `changes` are columns of the table with their values."""
    return await tx.user.update(where={"id": user_id}, data=cast("types.UserUpdateInput", dict(changes)))


async def list_ordered(
    db: Database, *, order: OrderColumn, descending: bool, take: int | None, skip: int
) -> list[rows.User]:
    """Users who are not deleted; those of equal rank come by id, so that pages neither repeat nor miss one."""
    direction: Literal["asc", "desc"] = "desc" if descending else "asc"
    column = "emailKey" if order == "email" else order
    orders = [{column: direction}, *([] if order == "id" else [{"id": "asc"}])]
    return await db.user.find_many(
        where={"deletedAt": None}, order=cast("list[types.UserOrderByInput]", orders), take=take, skip=skip
    )


async def lock(tx: Database, user_ids: Sequence[str]) -> dict[str, rows.User]:
    """The users who are not deleted, by id; their roles and passwords stay as they are until the transaction ends.

    Everybody with the highest role is locked with them, so that two of them can't lose it at the same moment.
    """
    # Sessions refer to users and may be opened meanwhile, hence no stronger lock.
    await tx.query_raw(
        "SELECT 1 FROM users WHERE id = ANY($1::uuid[]) OR role = 'SUPER_ADMIN' ORDER BY id FOR NO KEY UPDATE",
        list(user_ids),
    )
    found = await tx.user.find_many(where={"id": {"in": list(user_ids)}, "deletedAt": None})
    return {row.id: row for row in found}


async def count_with_role(tx: Database, role: rows.UserRole) -> int:
    return await tx.user.count(where={"role": role, "deletedAt": None})


async def set_password_hash(db: Database, user_id: str, password_hash: str) -> None:
    await db.user.update(where={"id": user_id}, data={"passwordHash": password_hash})


async def keep_password(tx: Database, user_id: str, password_hash: str) -> bool:
    """Whether the user still has this hash, which then stays until the transaction ends."""
    found = await tx.query_raw(
        "SELECT 1 FROM users WHERE id = $1::uuid AND password_hash = $2::text AND deleted_at IS NULL FOR SHARE",
        user_id,
        password_hash,
    )
    return bool(found)


async def replace_password_hash(db: Database, user_id: str, old: str, new: str) -> None:
    """Changes the hash only while it is still `old`, so that a password set meanwhile stays."""
    await db.user.update_many(where={"id": user_id, "passwordHash": old}, data={"passwordHash": new})
