"""What the very first start lays: the department that machines belong to by default, and three sizes of machines."""

from __future__ import annotations

from infinibay.core import naming
from infinibay.db import departments, marks, template_categories, templates
from infinibay.db.client import Database
from infinibay.db.templates import TemplateValues
from infinibay.log import get_logger
from infinibay.services.machines.validation import DEFAULT_DEPARTMENT

log = get_logger(__name__)

FIRST_CATEGORY = "General"
# Cores, and GB of RAM and disk; each is enough for every system that can be installed.
FIRST_TEMPLATES = {
    "Small": (2, 4, 64, "For an office desktop"),
    "Medium": (4, 8, 128, "For development and several programs at once"),
    "Large": (8, 16, 256, "For databases, builds and heavy programs"),
}
_MARK = "first-things"


async def lay_first_things(database: Database) -> bool:
    """Makes them once in the life of a database, so that what an administrator deletes stays deleted; true if it did.

    A database that has a department of this name keeps it, and one with templates of its own gets none.
    """
    async with database.tx() as tx:
        if not await marks.set_once(tx, _MARK):
            return False
        key = naming.name_key(DEFAULT_DEPARTMENT)
        if await departments.find_by_name_key(tx, key) is None:
            await departments.create(tx, DEFAULT_DEPARTMENT, key)
        await _lay_templates(tx)
    log.info("start.first_things")
    return True


async def _lay_templates(tx: Database) -> None:
    if await templates.count(tx) or await template_categories.list_all(tx):
        return
    category = await template_categories.create(
        tx, FIRST_CATEGORY, naming.name_key(FIRST_CATEGORY), "Sizes for most machines"
    )
    for name, (cores, ram_gb, storage_gb, description) in FIRST_TEMPLATES.items():
        values = TemplateValues(name, naming.name_key(name), description, cores, ram_gb, storage_gb, category.id)
        await templates.create(tx, values)
