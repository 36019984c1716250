"""Valid values for every place of the interface, so that a strange one beside them gets as far as it can."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from graphql import get_named_type

from infinibay.core.access import Role
from tests.support.interface import field_of
from tests.support.whole import Whole, machine_input

_APPLICATION = (
    "INSERT INTO applications (name, name_key, os, install_command)"
    " VALUES (%s, %s, '{ubuntu}', '{\"ubuntu\": \"true\"}') RETURNING id::text"
)
_SCRIPT = (
    "INSERT INTO scripts (name, name_key, format, content, shell, tags) VALUES"
    " (%s, %s, 'YAML', E'shell: sh\\nscript: date', 'sh', '{}') RETURNING id::text"
)
_TEMPLATE = (
    "INSERT INTO machine_templates (name, name_key, cores, ram_gb, storage_gb) VALUES (%s, %s, 1, 1, 1)"
    " RETURNING id::text"
)
_CATEGORY = "INSERT INTO machine_template_categories (name, name_key) VALUES (%s, %s) RETURNING id::text"
_IMAGE = (
    "INSERT INTO images (name, name_key, os, kind, state, pool, volume_name, format, size_gb) VALUES"
    " (%s, %s, 'ubuntu', 'image', 'ready', 'default', gen_random_uuid()::text, 'qcow2', 1) RETURNING id::text"
)
_IMAGE_FILE = "disk.img"
_COMMANDS = {"os": ["ubuntu"], "installCommand": {"ubuntu": "true"}}
_FIXED: dict[str, dict[str, Any]] = {
    "Mutation.createApplication": _COMMANDS,
    "Mutation.updateApplication": _COMMANDS,
    "Mutation.addImage": {"filename": _IMAGE_FILE, "os": "UBUNTU"},
    "Query.checkISOStatus": {"os": "UBUNTU"},
    "Mutation.createScript": {"content": "shell: sh\nscript: date"},
}
# The same for both, as a new password is sent twice.
_NEW_PASSWORD = "a new password"


@dataclass
class Ground:
    """One thing of each kind, all of them there."""

    product: Whole
    machine: str
    operation: str
    department: str
    user: str
    application: str = ""
    script: str = ""
    template: str = ""
    iso: str = ""
    own_iso: str = ""
    category: str = ""
    image: str = ""

    @classmethod
    async def lay(cls, product: Whole) -> Ground:
        await product.join("bystander", Role.USER)
        made = await product.machine()
        department = await product.department()
        ground = cls(product, made["id"], made["operation"], department, product.users["bystander"])
        await ground.restore()
        return ground

    async def restore(self) -> None:
        """Makes again what a request removed."""
        if not await self.product.rows("SELECT 1 FROM departments WHERE id = %s::uuid", self.department):
            self.department = await self.product.department()
        if not await self.product.rows("SELECT 1 FROM machines WHERE id = %s::uuid", self.machine):
            made = await self.product.machine()
            self.machine, self.operation = made["id"], made["operation"]
        self.application = await self._there("applications", self.application, _APPLICATION)
        self.script = await self._there("scripts", self.script, _SCRIPT)
        self.template = await self._there("machine_templates", self.template, _TEMPLATE)
        self.image = await self._there("images", self.image, _IMAGE)
        (self.product.settings.infinibay_iso_dir / _IMAGE_FILE).write_bytes(bytes(4096))
        await self._restore_iso()
        self.category = await self._there("machine_template_categories", self.category, _CATEGORY)

    async def _restore_iso(self) -> None:
        """A medium that no machine has in its drive, and whose content is known already, so that nothing changes it
        later."""
        if await self.product.rows("SELECT 1 FROM isos WHERE id::text = %s", self.iso):
            return
        shutil.copy(self._medium.with_name("ubuntu.iso"), self._medium)
        found = await self.product.ask("{ allISOs { id filename } }")
        for one in found["allISOs"]:
            await self.product.ask("mutation ($id: String!) { calculateISOChecksum(isoId: $id) }", {"id": one["id"]})
        ids = {one["filename"]: one["id"] for one in found["allISOs"]}
        self.iso, self.own_iso = ids[self._medium.name], ids["ubuntu.iso"]

    @property
    def _medium(self) -> Path:
        return self.product.settings.infinibay_iso_dir / "another.iso"

    async def _there(self, table: str, known: str, statement: str) -> str:
        """The known row's id, or a new row's when that is gone."""
        if await self.product.rows(f"SELECT 1 FROM {table} WHERE id::text = %s", known):
            return known
        name = str(uuid4())
        ((made,),) = await self.product.rows(statement, name, name)
        return str(made)

    def known(self, full_name: str, path: str) -> Any:
        """The value of a place; None where nothing need be there."""
        name = path.rsplit(".", maxsplit=1)[-1].rstrip("[]{}")
        if full_name == "Mutation.registerISO":
            return {"os": "UBUNTU", "size": self._medium.stat().st_size}.get(name, self._medium.name)
        if name in _FIXED.get(full_name, {}):
            return _FIXED[full_name][name]
        if name in {"name", "email"}:
            return f"{uuid4()}@example.com"
        if name == "id":
            return self._id(full_name)
        if full_name == "Mutation.createUser" and name.startswith("password"):
            return _NEW_PASSWORD
        is_new_machine = get_named_type(field_of(full_name).type).name in {"Machine", "MachinePlan"}
        sample = machine_input()
        values = {
            "machineId": self.machine if "[]" not in path and "filter" not in path else None,
            "userId": self.user if "filter" not in path else None,
            "operationId": self.operation,
            # Chosen, the other one would get into the drives of new machines.
            "isoId": None if is_new_machine else self.own_iso if full_name == "Mutation.setDefaultISO" else self.iso,
            "applicationId": self.application,
            "scriptId": self.script,
            "departmentId": self.department if full_name == "Mutation.moveMachine" else None,
        }
        return values.get(name, sample.get(name) if is_new_machine and path.startswith("input.") else None)

    def _id(self, full_name: str) -> str:
        """The thing that a root field is about."""
        answer = get_named_type(field_of(full_name).type).name
        if full_name.lower().endswith("application"):
            return self.application
        if full_name in {"Query.image", "Mutation.removeImage"}:
            return self.image
        if "Script" in full_name or full_name == "Query.script":
            return self.script
        if "TemplateCategory" in full_name:
            return self.category
        if "Template" in full_name:
            return self.template
        ids = {"DepartmentType": self.department, "Operation": self.operation, "UserType": self.user}
        return ids.get(answer, self.machine)
