"""What happens to a machine's domain behind the product's back is noticed, told truthfully, and can be mended."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.product import Product
from tests.support.wait import until
from tests.system.life import events_of, running_machine, serving, status_becomes

_GONE = "The domain is gone from the hypervisor; powerOn defines it again"
_UNDEFINED = "The domain is no longer defined and vanishes when it stops; powerOn defines it again"
_SUCCESS = {"success": True, "message": "Machine destroyed"}


@pytest.fixture(scope="module")
async def product(empty_medium: Path) -> AsyncIterator[Product]:
    """One server for the module; no guest of it needs to boot."""
    async with serving(empty_medium) as made:
        yield made


@pytest.fixture
async def machine(product: Product, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """A running machine, which is destroyed after the test without leaving anything."""
    made = await running_machine(product, request.node.name)
    yield made
    if await product.machine(made) is not None:
        assert await product.verb("destroyMachine", made) == _SUCCESS
    assert product.leftovers(made) == []


async def _told(product: Product, machine_id: str) -> list[tuple[str, str | None]]:
    """The status words and reasons that events told of, since the creation's first."""
    events = await events_of(product, machine_id)
    told = [(one["data"]["status"], one["data"]["reason"]) for one in events if one["kind"] == "machine.status"]
    assert told[0] == ("running", None)
    return told[1:]


async def _tells(product: Product, machine_id: str, status: str, reason: str | None) -> None:
    """Waits until this is the newest that the events tell of the machine."""

    async def look() -> bool:
        return (await _told(product, machine_id))[-1:] == [(status, reason)]

    await until(look, 30, f"an event that tells of {status} for the reason {reason}")


def _replace_by_full_directory(disk: Path) -> Path:
    """Puts a directory in a disk's place that can't be removed while its file, which is returned, is in it."""
    disk.unlink()
    disk.mkdir()
    file = disk / "in the way"
    file.touch()
    return file


def _kill_qemu(domain_name: str) -> None:
    os.kill(int(Path(f"/run/libvirt/qemu/{domain_name}.pid").read_text()), signal.SIGKILL)


async def test_power_by_virsh_is_followed(product: Product, machine: str) -> None:
    for command, status in (("suspend", "paused"), ("resume", "running"), ("destroy", "stopped"), ("start", "running")):
        assert product.virsh(command, machine)
        shown = await status_becomes(product, machine, status)
        assert shown["failure"] is None
        assert (shown["configuration"] is None) == (status == "stopped")
    assert await _told(product, machine) == [
        ("paused", None),
        ("running", None),
        ("stopped", None),
        ("running", None),
    ]


async def test_what_was_paused_or_has_died_is_not_said_to_have_been_asked(product: Product, machine: str) -> None:
    assert product.virsh("suspend", machine)
    await status_becomes(product, machine, "paused")
    assert await product.verb("powerOff", machine, ", force: false") == {
        "success": False,
        "message": "The guest is paused and can't power off; resume it first",
    }
    assert product.virsh("domstate", machine) == "paused"
    cut = "The guest is paused and can't power off; its power was cut"
    assert await product.verb("restartMachine", machine) == {"success": True, "message": f"{cut}. Machine running"}

    _kill_qemu(product.virsh("domname", machine))
    shown = await status_becomes(product, machine, "crashed")
    assert shown["configuration"] is None
    (_, reason) = (await _told(product, machine))[-1]
    assert reason is not None
    assert reason.endswith("shutting down, reason=crashed")
    for verb, arguments in (("powerOff", ", force: false"), ("powerOff", ""), ("forcePowerOff", "")):
        outcome = await product.verb(verb, machine, arguments)
        assert outcome == {"success": True, "message": "Machine had crashed and is off"}
    assert await product.verb("powerOn", machine) == {"success": True, "message": "Machine running"}


async def test_domain_that_vanished_is_defined_again(product: Product, machine: str) -> None:
    before = product.virsh("dumpxml", machine, "--inactive", "--security-info")
    assert await product.verb("forcePowerOff", machine) == {
        "success": True,
        "message": "Machine forcefully powered off",
    }
    assert product.virsh("undefine", machine, "--nvram")

    shown = await status_becomes(product, machine, "failed")
    assert shown["failure"]["message"] == _GONE
    assert await product.verb("suspend", machine) == {
        "success": False,
        "message": "The hypervisor does not know this machine; powerOn defines it again",
    }
    assert await product.verb("powerOn", machine) == {"success": True, "message": "Machine running"}

    assert product.virsh("domstate", machine) == "running"
    assert product.virsh("dumpxml", machine, "--inactive", "--security-info") == before
    assert (await status_becomes(product, machine, "running"))["failure"] is None
    told = await _told(product, machine)
    assert (told[:2], told[-1]) == ([("stopped", None), ("failed", _GONE)], ("running", None))


async def test_machine_without_a_domain_is_destroyed(product: Product, machine: str) -> None:
    assert product.virsh("destroy", machine)
    assert product.virsh("undefine", machine, "--nvram")
    await status_becomes(product, machine, "failed")
    assert await product.verb("destroyMachine", machine) == _SUCCESS
    assert await product.machine(machine) is None


async def test_running_domain_that_was_undefined_is_defined_again(product: Product, machine: str) -> None:
    number = product.virsh("domid", machine)
    assert product.virsh("undefine", machine, "--nvram")
    await _tells(product, machine, "running", _UNDEFINED)

    assert await product.verb("powerOn", machine) == {"success": True, "message": "Machine running"}
    await _tells(product, machine, "running", None)
    assert "Persistent:     yes" in product.virsh("dominfo", machine)
    assert product.virsh("domid", machine) == number

    assert product.virsh("undefine", machine, "--nvram")
    assert await product.verb("forcePowerOff", machine) == {
        "success": True,
        "message": "Machine forcefully powered off",
    }
    assert (await status_becomes(product, machine, "failed"))["failure"]["message"] == _GONE
    assert await product.verb("powerOn", machine) == {"success": True, "message": "Machine running"}
    await _tells(product, machine, "running", None)


async def test_running_domain_that_was_undefined_is_destroyed(product: Product, machine: str) -> None:
    assert product.virsh("undefine", machine, "--nvram")
    assert await product.verb("destroyMachine", machine) == _SUCCESS
    assert await product.machine(machine) is None


async def test_renamed_domain_is_named_and_still_driven(product: Product, machine: str) -> None:
    assert product.virsh("destroy", machine)
    await status_becomes(product, machine, "stopped")
    renamed = f"renamed-{machine[:8]}"
    assert product.virsh("domrename", machine, renamed)
    reason = f"The hypervisor calls the domain {renamed!r}"
    await _tells(product, machine, "stopped", reason)

    assert await product.verb("powerOn", machine) == {"success": True, "message": "Machine running"}
    assert product.virsh("domstate", renamed) == "running"
    await _tells(product, machine, "running", reason)
    assert await product.verb("destroyMachine", machine) == _SUCCESS
    assert renamed not in product.virsh("list", "--all", "--name").split()


async def test_missing_disk_is_named(product: Product, machine: str) -> None:
    assert product.virsh("destroy", machine)
    await status_becomes(product, machine, "stopped")
    disk = Path(product.virsh("vol-path", f"{machine}-main.qcow2", "--pool", product.pool))
    assert product.virsh("vol-delete", disk.name, "--pool", product.pool)

    outcome = await product.verb("powerOn", machine)
    assert outcome["success"] is False
    assert str(disk) in outcome["message"]
    shown = await product.machine(machine)
    assert shown is not None
    assert (shown["status"], shown["operation"]["kind"], shown["operation"]["state"]) == (
        "stopped",
        "power_on",
        "FAILED",
    )

    assert product.virsh("undefine", machine, "--nvram")
    await status_becomes(product, machine, "failed")
    assert await product.verb("powerOn", machine) == {"success": False, "message": "The machine's disk is gone"}


async def test_removal_that_stops_half_way_tells_what_is_left(product: Product, machine: str) -> None:
    assert product.virsh("destroy", machine)
    await status_becomes(product, machine, "stopped")
    disk = Path(product.virsh("vol-path", f"{machine}-main.qcow2", "--pool", product.pool))
    put_in_the_way = _replace_by_full_directory(disk)

    outcome = await product.verb("destroyMachine", machine)
    assert outcome["success"] is False
    assert str(disk) in outcome["message"]
    shown = await status_becomes(product, machine, "failed")
    assert shown["failure"]["step"] == "volume"
    assert shown["failure"]["message"] == outcome["message"]
    assert product.leftovers(machine) != []
    assert await product.verb("powerOn", machine) == {
        "success": False,
        "message": "The machine is not wholly destroyed: destroy it again",
    }
    put_in_the_way.unlink()
    assert await product.verb("destroyMachine", machine) == _SUCCESS
    assert await product.machine(machine) is None


async def test_changes_while_the_server_was_down(product: Product) -> None:
    names = ("stopped", "paused", "vanished", "renamed")
    stopped, paused, vanished, renamed = await asyncio.gather(*(running_machine(product, name) for name in names))
    assert await product.stop() == 0
    assert product.virsh("destroy", stopped)
    assert product.virsh("suspend", paused)
    assert product.virsh("destroy", vanished)
    assert product.virsh("undefine", vanished, "--nvram")
    assert product.virsh("destroy", renamed)
    assert product.virsh("domrename", renamed, f"other-{renamed[:8]}")
    await product.start()

    await status_becomes(product, stopped, "stopped")
    await status_becomes(product, paused, "paused")
    shown: dict[str, Any] = await status_becomes(product, vanished, "failed")
    assert shown["failure"]["message"] == _GONE
    await _tells(product, renamed, "stopped", f"The hypervisor calls the domain 'other-{renamed[:8]}'")
    assert await _told(product, stopped) == [("stopped", None)]
    assert await _told(product, paused) == [("paused", None)]
    together = (stopped, paused, vanished, renamed)
    assert await asyncio.gather(*(product.verb("destroyMachine", one) for one in together)) == [_SUCCESS] * 4
    assert [product.leftovers(one) for one in together] == [[]] * 4
    assert product.held() == {"domains": [], "volumes": [], "directories": []}
