"""What the tests of machines' lives share: waiting for the guest and for a status."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.guest_iso import READY_LINE, build_guest_iso
from tests.support.product import Product
from tests.support.wait import until

BOOT_SECONDS = 150


@asynccontextmanager
async def serving(iso: Path | None = None, **settings: str) -> AsyncIterator[Product]:
    """A started server of its own, removed with all that it made. Its medium is the test guest, unless one is given."""
    made = Product(iso or build_guest_iso(), **settings)
    try:
        await made.start()
        yield made
    finally:
        await made.close()


async def running_machine(product: Product, name: str, **changes: Any) -> str:
    """The id of a new machine, whose creation has succeeded."""
    created = await product.create(name, **changes)
    operation = await product.ended(created["operation"]["id"])
    assert operation["state"] == "SUCCEEDED", operation
    return str(created["id"])


def boots(product: Product, machine_id: str) -> int:
    """How often the guest has come up, by its serial log."""
    log = product.base / "machines" / machine_id / "serial.log"
    return log.read_bytes().count(READY_LINE.encode()) if log.exists() else 0


async def booted(product: Product, machine_id: str, times: int = 1) -> None:
    """Waits until the guest has come up so many times."""
    await until(lambda: boots(product, machine_id) >= times, BOOT_SECONDS, f"boot {times} of the guest")


async def status_becomes(product: Product, machine_id: str, wanted: str) -> dict[str, Any]:
    """The machine, once the API tells the status."""

    async def look() -> dict[str, Any] | None:
        found = await product.machine(machine_id)
        return found if found is not None and found["status"] == wanted else None

    return await until(look, 90, f"the status {wanted}")


async def events_of(product: Product, machine_id: str | None) -> list[dict[str, Any]]:
    """All events of a machine, or of everything, in their order."""
    query = "query E($id: ID) { machineEvents(machineId: $id, first: 1000) { seq kind data } }"
    found: list[dict[str, Any]] = (await product.ask(query, {"id": machine_id}))["machineEvents"]
    return found
