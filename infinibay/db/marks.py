"""What must happen once in the life of a database."""

from __future__ import annotations

from infinibay.db.client import Database


async def set_once(tx: Database, mark: str) -> bool:
    """Whether this transaction is the one that sets the mark; others that want to wait for its end."""
    written = await tx.execute_raw(
        "INSERT INTO settings (key, value) VALUES ($1, 'true') ON CONFLICT (key) DO NOTHING", mark
    )
    return written == 1
