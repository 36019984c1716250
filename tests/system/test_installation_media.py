"""What can go wrong with an installation's media, and with those who report in a guest's name."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from lxml import etree

from tests.support.ports import free_port
from tests.support.product import MACHINE, SMALL, Product
from tests.support.product_installs import ended, in_phase, install, installation, installing, remains
from tests.support.wait import until

_PLAN = """
query Plan($input: CreateMachineInputType!) {
  planMachine(input: $input) { valid mediaMode warnings problems { field message } xml }
}
"""


async def test_an_iso_that_is_swapped_before_the_start_is_noticed() -> None:
    async with installing(start=False) as product:
        await product.start(fault="create:define:before:hold")
        machine_id = await install(product, "swapped")
        await until((product.base / "machines" / machine_id / "kernel").exists, 60, "the media")
        iso = product.base / "iso" / "ubuntu.iso"
        copy = iso.with_suffix(".new")
        shutil.copy(iso, copy)
        copy.replace(iso)
        (product.base / "go").touch()

        failure = await _failed(product, machine_id)

        assert failure["step"] == "start"
        assert "was changed while it was in use" in failure["message"]
        assert remains(product, machine_id) == []


async def test_a_truncated_iso_makes_no_machine() -> None:
    async with installing(start=False) as product:
        iso = product.base / "iso" / "ubuntu.iso"
        with iso.open("r+b") as file:
            file.truncate(iso.stat().st_size // 2)
        await product.start()

        plan = (await product.ask(_PLAN, {"input": {**SMALL, "name": "half", "mediaMode": None}}))["planMachine"]

        assert not plan["valid"]
        assert [problem["field"] for problem in plan["problems"]] == ["os"]
        assert "can't be used" in plan["problems"][0]["message"]


async def test_no_space_for_a_remastered_iso_fails_and_leaves_nothing() -> None:
    async with installing(start=False) as product:
        small = product.base / "iso" / "temp"
        small.mkdir(mode=0o711)
        _run("mount", "-t", "tmpfs", "-o", "size=8m,mode=0711", "tmpfs", str(small))
        try:
            await product.start()
            machine_id = await install(product, "no room", mediaMode="REMASTER")
            failure = await _failed(product, machine_id)
            assert failure["step"] == "media"
            assert re.search("has 7 MB free, and .* MB are needed", failure["message"])
            assert list((small / "remastered").glob("*/image.iso")) == []
            assert product.held()["domains"] == []
        finally:
            await product.stop()
            _run("umount", "--lazy", str(small))


async def test_the_plan_shows_the_domain_as_it_is_then_made() -> None:
    """Everything but what libvirt itself decides: addresses, labels, the port of the graphics."""
    async with installing(start=False) as product:
        await product.start(fault="create:start:before:hold")
        wanted = {**SMALL, "name": "planned", "customStorage": 2, "mediaMode": None}
        plan = etree.fromstring((await product.ask(_PLAN, {"input": wanted}))["planMachine"]["xml"])
        machine_id = await install(product, "made")

        async def defined() -> bool:
            return machine_id in product.virsh("list", "--all", "--name")

        await until(defined, 60, "the definition")
        made = etree.fromstring(product.virsh("dumpxml", "--inactive", machine_id))
        planned_id = str(plan.findtext("uuid"))
        assert [text.replace(planned_id, machine_id) for text in _media_of(plan)] == _media_of(made)
        folder = f"{product.base}/machines/{machine_id}"
        assert {f"kernel {folder}/kernel", f"cdrom raw {folder}/seed.iso"} <= set(_media_of(made))
        (product.base / "go").touch()


async def test_the_plan_shows_how_a_system_is_installed() -> None:
    async with installing() as product:
        wanted = {**SMALL, "name": "planned", "customStorage": 2, "mediaMode": None}
        plan = (await product.ask(_PLAN, {"input": wanted}))["planMachine"]
        assert (plan["valid"], plan["mediaMode"]) == (True, "seed")
        by_hand = (await product.ask(_PLAN, {"input": {**wanted, "mediaMode": "MANUAL"}}))["planMachine"]
        assert "The installer is started from its medium and answered by hand" in by_hand["warnings"]
        wrong = {
            **wanted,
            "locale": "klingon",
            "keyboard": "qq",
            "timezone": "Mars/X",
            "hostname": "-",
            "packages": ["a b"],
        }
        problems = (await product.ask(_PLAN, {"input": wrong}))["planMachine"]["problems"]
        assert {problem["field"] for problem in problems} == {"locale", "keyboard", "timezone", "hostname", "packages"}


@pytest.fixture
async def reachable() -> AsyncIterator[Product]:
    """A server that guests reach over the network; its guest says nothing by itself."""
    settings = {"HOST": "0.0.0.0", "PORT": str(free_port()), "APP_HOST": "192.0.2.7"}
    async with installing(("ubuntu", "hangs"), settings=settings) as product:
        yield product


async def test_reports_over_the_network_need_the_machine_s_token(reachable: Product, tmp_path: Path) -> None:
    machine_id = await install(reachable, "over the network", fault="hangs")
    await in_phase(reachable, machine_id, "booting")
    url, token = _report_home(reachable.base / "machines" / machine_id / "seed.iso", tmp_path)
    assert url == f"http://192.0.2.7:{reachable.settings['PORT']}/installation/reports"
    said = b'{"event":"started"}\n{"event":"started"}\nnonsense\n'

    for wrong in ("x" * 43, token[:-1]):
        assert (await _report(reachable, wrong, said)).status_code == 401
    assert (await installation(reachable, machine_id))["phase"] == "booting"

    assert (await _report(reachable, token, said)).status_code == 204
    assert (await in_phase(reachable, machine_id, "installing"))["state"] == "installing"
    assert (await _report(reachable, token, b"x" * 300_000)).status_code == 413
    assert (await _report(reachable, token, b'{"event":"failed"}\n{"event":"installed"}\n')).status_code == 204
    assert (await ended(reachable, machine_id))["state"] == "failed"
    # The token ended with the installation.
    assert (await _report(reachable, token, b'{"event":"finished"}\n')).status_code == 401
    assert token not in reachable.log.read_text()
    assert (await reachable.verb("destroyMachine", machine_id))["success"]


async def _report(product: Product, token: str, body: bytes) -> httpx.Response:
    async with httpx.AsyncClient(base_url=product.url, timeout=60) as client:
        headers = {"authorization": f"Bearer {token}"}
        return await client.post("/installation/reports", content=body, headers=headers)


def _report_home(seed: Path, folder: Path) -> tuple[str, str]:
    """The URL and the token on a seed medium, as the guest finds them."""
    subprocess.run(["7z", "x", "-y", f"-o{folder}", str(seed)], check=True, capture_output=True)
    (archive,) = [path for path in folder.rglob("*") if path.is_file() and b"setup.tar.gz" in path.read_bytes()]
    packed = re.search(rb"content: (?:!!binary \|\n)?((?:\s*[A-Za-z0-9+/=]{20,}\n?)+)", archive.read_bytes())
    assert packed is not None
    unpacked = folder / "setup"
    unpacked.mkdir()
    tar = subprocess.run(["base64", "-d"], input=b"".join(packed[1].split()), capture_output=True, check=True).stdout
    subprocess.run(["tar", "-xz", "-C", str(unpacked)], input=tar, check=True)
    rules = (unpacked / "var/lib/infinibay/setup/curlrc").read_text()
    found = re.fullmatch(r'url = "(.+)"\nheader = "Authorization: Bearer (.+)"\n', rules)
    assert found is not None
    return found[1], found[2]


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


async def _failed(product: Product, machine_id: str) -> dict[str, Any]:
    """The failure of a creation."""

    async def look() -> dict[str, Any] | None:
        machine = (await product.ask(MACHINE, {"id": machine_id}))["machine"]
        return machine["failure"] if machine["status"] == "failed" else None

    found: dict[str, Any] = await until(look, 120, "the failure")
    return found


def _media_of(domain: etree._Element) -> list[str]:
    """What the guest boots and finds in its drives and at its ports, in one order."""
    told = [f"{tag} {domain.findtext(f'os/{tag}')}" for tag in ("kernel", "initrd", "cmdline")]
    for disk in domain.iterfind("devices/disk"):
        source, driver = disk.find("source"), disk.find("driver")
        assert driver is not None
        told.append(f"{disk.get('device')} {driver.get('type')} {None if source is None else source.get('file')}")
    return told + sorted(str(port.get("name")) for port in domain.iterfind("devices/channel/target"))
