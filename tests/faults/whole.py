"""What must hold after any fault: every machine is running, failed with a reason, or gone, and nothing else is left."""

from __future__ import annotations

from typing import Any

from tests.support.product import Product
from tests.support.wait import until

_BUSY = "{ operations(first: 200) { items { id kind state failure { step message } } } }"
_MACHINES = "{ machines { id name status failure { step code message } } }"
_ENDED = {"SUCCEEDED", "FAILED", "CANCELLED"}


async def settled(product: Product, seconds: float = 120) -> list[dict[str, Any]]:
    """All machines, once every operation has ended."""

    async def look() -> bool:
        answer = await product.post(_BUSY)
        if "errors" in answer:
            # Parts of the server are away just now; what it says then is one of its stable errors.
            assert {error["extensions"]["code"] for error in answer["errors"]} == {"UNAVAILABLE"}, answer
            return False
        return all(operation["state"] in _ENDED for operation in answer["data"]["operations"]["items"])

    await until(look, seconds, "the end of all operations")
    machines: list[dict[str, Any]] = (await product.ask(_MACHINES))["machines"]
    return machines


def assert_whole(product: Product, machines: list[dict[str, Any]]) -> None:
    """Nothing is left over, nothing is doubled, and every status is true."""
    running = sorted(machine["id"] for machine in machines if machine["status"] == "running")
    failed = [machine for machine in machines if machine["status"] == "failed"]
    assert len(running) + len(failed) == len(machines), machines
    assert all(machine["failure"]["message"] for machine in failed), failed
    assert product.domains() == running
    assert product.held() == {"domains": running, "volumes": running, "directories": running}


async def destroy_all(product: Product) -> None:
    """Removes every machine; nothing may remain of them."""
    for machine in (await product.ask(_MACHINES))["machines"]:
        assert await product.verb("destroyMachine", machine["id"]) == {"success": True, "message": "Machine destroyed"}
        assert product.leftovers(machine["id"]) == []
    assert product.held() == {"domains": [], "volumes": [], "directories": []}
