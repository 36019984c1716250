"""What an installation needs and nobody may read: kept sealed beside the machine, erased when no longer needed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from infinibay.db import sealed
from infinibay.db.client import Database
from infinibay.errors import BadUserInput, FieldProblem
from infinibay.secrets import Vault

KEPT_AFTER_FAILURE = timedelta(days=7)


@dataclass(frozen=True)
class Installation:
    """The account that the installer makes, the licence, and what applications and scripts are given, by their ids."""

    username: str
    password: str = field(repr=False)
    product_key: str | None = field(default=None, repr=False)
    applications: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    scripts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)


class MachineSecrets:
    """Seals and opens a machine's secrets."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def keep_first(self, tx: Database, machine_id: str, installation: Installation | None, graphics: str) -> None:
        """The secrets of a new machine: for its installation, where it has one, and the password of its graphics."""
        texts: dict[sealed.Purpose, str] = {"graphics": graphics}
        if installation is not None:
            texts["installation"] = _text(installation)
        await sealed.put_first(tx, machine_id, {purpose: self._vault.encrypt(text) for purpose, text in texts.items()})

    async def keep_installation(self, tx: Database, machine_id: str, installation: Installation) -> None:
        """In place of an earlier one."""
        await sealed.put(tx, machine_id, "installation", self._vault.encrypt(_text(installation)))

    async def installation(self, db: Database, machine_id: str) -> Installation | None:
        """None when it was erased or has expired."""
        kept = await sealed.find(db, machine_id, "installation")
        if kept is None:
            return None
        values = json.loads(self._vault.decrypt(kept))
        return Installation(
            values["username"],
            values["password"],
            values["productKey"],
            # What an earlier version kept has none of them.
            values.get("applications", {}),
            values.get("scripts", {}),
        )

    async def installation_for_retry(
        self, db: Database, machine_id: str, username: str, password: str | None
    ) -> Installation:
        """The kept one, with a new password if one is given. BadUserInput asks for a password when it has expired."""
        kept = await self.installation(db, machine_id)
        if kept is not None:
            return kept if password is None else replace(kept, password=password)
        if password is None:
            raise BadUserInput(
                FieldProblem("password", "The kept password was erased 7 days after the failure; give one again")
            )
        return Installation(username, password)

    async def graphics_password(self, db: Database, machine_id: str) -> str | None:
        kept = await sealed.find(db, machine_id, "graphics")
        return None if kept is None else self._vault.decrypt(kept)

    async def creation_failed(self, tx: Database, machine_id: str) -> None:
        """Starts the time for which a retry needs no password."""
        await sealed.expire(tx, machine_id, "installation", datetime.now(UTC) + KEPT_AFTER_FAILURE)

    async def installation_ended(self, tx: Database, machine_id: str) -> None:
        await sealed.erase(tx, machine_id, "installation")


def _text(installation: Installation) -> str:
    values = {
        "username": installation.username,
        "password": installation.password,
        "productKey": installation.product_key,
        "applications": {name: dict(given) for name, given in installation.applications.items()},
        "scripts": {name: dict(given) for name, given in installation.scripts.items()},
    }
    return json.dumps(values)
