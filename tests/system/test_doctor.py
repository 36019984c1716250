"""The doctor on the system's own libvirt: a machine of ours is no other domain, and remedies really mend."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.guest_iso import build_guest_iso
from tests.support.product import ROOT, Product

REPORT = "{ hostReport { name state evidence remedy } }"


@pytest.fixture(scope="module")
async def product() -> AsyncIterator[Product]:
    made = Product(build_guest_iso())
    try:
        await made.start()
        yield made
    finally:
        await made.close()


def doctor(product: Product) -> dict[str, dict[str, Any]]:
    """What the command tells scripts."""
    done = subprocess.run(
        ["scripts/infinibay", "doctor", "--json"],
        cwd=ROOT,
        env={**os.environ, **product.settings},
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(done.stdout)
    assert done.returncode == (1 if any(check["state"] == "FAILED" for check in found) else 0)
    return {check["name"]: check for check in found}


async def told(product: Product) -> dict[str, dict[str, Any]]:
    """What the server tells its administrator."""
    return {check["name"]: check for check in (await product.ask(REPORT))["hostReport"]}


async def test_the_server_reports_the_same_as_the_command(product: Product) -> None:
    answered, printed = await told(product), await asyncio.to_thread(doctor, product)
    assert list(answered) == list(printed)
    assert {name for name, check in answered.items() if check["state"] == "FAILED"} == set()
    steady = set(answered) - {"database", "worker", "memory", "space", "pool", "other domains"}
    assert {name: answered[name] for name in steady} == {name: printed[name] for name in steady}
    assert answered["virtlogd"]["state"] == answered["worker"]["state"] == "OK"


async def test_a_machine_of_ours_is_no_other_domain(product: Product) -> None:
    created = await product.create("ours")
    assert (await product.ended(created["operation"]["id"]))["state"] == "SUCCEEDED"
    name = product.virsh("domname", created["id"])
    assert name
    assert name not in (await told(product))["other domains"]["evidence"]
    assert (await product.verb("destroyMachine", created["id"]))["success"] is True


async def test_an_inactive_pool_is_started_by_the_named_command(product: Product) -> None:
    assert (await told(product))["pool"]["state"] == "OK"
    product.virsh("pool-destroy", product.pool)
    found = (await told(product))["pool"]
    assert (found["state"], found["evidence"]) == ("FAILED", f"{product.pool} is not active")
    await asyncio.to_thread(subprocess.run, ["bash", "-euc", found["remedy"]], check=True, capture_output=True)
    assert (await told(product))["pool"]["state"] == "OK"
