"""Rows tell the truth about files, however those come, change and go."""

from __future__ import annotations

import asyncio
import hashlib
import os
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from infinibay.core.operating_systems import OPERATING_SYSTEMS
from infinibay.services.isos import recognition
from infinibay.services.isos.desk import IsoDesk
from tests.support.iso_layouts import fedora_iso, linux_iso, ubuntu_iso, windows11_iso
from tests.support.library import Shelf

REGISTER = """
mutation ($filename: String!, $os: String!, $path: String!, $size: Float!) {
  registerISO(filename: $filename, os: $os, path: $path, size: $size) { filename os version isAvailable }
}
"""
STATUS = "query ($os: String!) { checkISOStatus(os: $os) { os available iso { filename } } }"
READINESS = "{ checkSystemReadiness { ready availableOS missingOS } }"
# What a client may say of a file that is not so, and the field that is told.
_UNTRUE: tuple[tuple[dict[str, Any], str], ...] = (
    ({"filename": "../outside.iso"}, "filename"),
    ({"filename": "/etc/hostname"}, "filename"),
    ({"filename": ".uploads/x.iso"}, "filename"),
    ({"filename": "absent.iso", "path": "absent.iso"}, "filename"),
    ({"filename": "link.iso", "path": "link.iso"}, "filename"),
    ({"filename": "notes.iso", "path": "notes.iso", "size": 9}, "filename"),
    ({"path": "/etc/passwd"}, "path"),
    ({"path": "../ubuntu-24.iso"}, "path"),
    ({"size": 1}, "size"),
    ({"os": "FEDORA"}, "os"),
    ({"os": "macos"}, "os"),
)
ALL_SYSTEMS = [name.upper() for name in OPERATING_SYSTEMS]


async def _events(shelf: Shelf) -> list[tuple[str, str]]:
    found = await shelf.api.database.event.find_many(order={"seq": "asc"})
    return [(event.kind, str(dict(event.data)["filename"])) for event in found if event.kind.startswith("iso.")]


async def test_an_empty_library_says_so(shelf: Shelf) -> None:
    assert (await shelf.api.ask(READINESS))["checkSystemReadiness"] == {
        "ready": False,
        "availableOS": [],
        "missingOS": ALL_SYSTEMS,
    }
    assert await shelf.all() == {}
    assert (await shelf.api.ask(STATUS, {"os": "fedora"}))["checkISOStatus"] == {
        "os": "FEDORA",
        "available": False,
        "iso": None,
    }
    refused = await shelf.api.refusal(STATUS, {"os": "macos"})
    assert (refused["code"], [one["field"] for one in refused["fields"]]) == ("BAD_USER_INPUT", ["os"])


async def test_files_put_in_by_hand_are_noticed_with_what_they_hold(shelf: Shelf) -> None:
    ubuntu_iso(shelf.folder / "ubuntu.iso")
    windows11_iso(shelf.folder / "Win11_23H2_English_x64.iso")
    (shelf.folder / "notes.iso").write_text("no medium")
    (shelf.folder / "temp").mkdir()
    ubuntu_iso(shelf.folder / "temp" / "generated.iso")

    found = await shelf.all()
    assert sorted(found) == ["Win11_23H2_English_x64.iso", "ubuntu.iso"]
    windows = found["Win11_23H2_English_x64.iso"]
    assert windows == {
        "id": windows["id"],
        "filename": "Win11_23H2_English_x64.iso",
        "os": "WINDOWS11",
        "version": "22631",
        "editions": ["Windows 11 Home", "Windows 11 Pro"],
        "architecture": "amd64",
        "boots": ["bios", "efi"],
        "size": str((shelf.folder / "Win11_23H2_English_x64.iso").stat().st_size),
        "path": "Win11_23H2_English_x64.iso",
        "checksum": None,
        "isAvailable": True,
        "isDefault": True,
        "problem": None,
    }
    assert (await shelf.api.ask(READINESS))["checkSystemReadiness"] == {
        "ready": True,
        "availableOS": ["WINDOWS11", "UBUNTU"],
        "missingOS": [one for one in ALL_SYSTEMS if one not in ("WINDOWS11", "UBUNTU")],
    }
    query = "query ($os: [String!]!) { checkMultipleOSAvailability(osList: $os) { os available } }"
    asked = await shelf.api.ask(query, {"os": ["fedora", "ubuntu"]})
    assert asked["checkMultipleOSAvailability"] == [
        {"os": "FEDORA", "available": False},
        {"os": "UBUNTU", "available": True},
    ]
    assert (await shelf.api.ask("{ getSupportedOSTypes }"))["getSupportedOSTypes"] == ALL_SYSTEMS
    assert sorted(await _events(shelf)) == [
        ("iso.registered", "Win11_23H2_English_x64.iso"),
        ("iso.registered", "ubuntu.iso"),
    ]


async def test_a_file_that_vanishes_is_missing_and_one_that_comes_back_is_there(shelf: Shelf) -> None:
    medium = ubuntu_iso(shelf.folder / "ubuntu.iso")
    before = await shelf.one("ubuntu.iso")
    medium.rename(shelf.folder / "ubuntu.away")
    gone = await shelf.one("ubuntu.iso")
    assert (gone["isAvailable"], gone["problem"], gone["id"]) == (False, "The file is missing", before["id"])
    assert (await shelf.api.ask("{ availableISOs { id } }"))["availableISOs"] == []
    assert (await shelf.api.ask(STATUS, {"os": "UBUNTU"}))["checkISOStatus"]["available"] is False
    (shelf.folder / "ubuntu.away").rename(medium)
    assert await shelf.one("ubuntu.iso") == before


async def test_a_file_that_is_replaced_is_looked_at_anew(shelf: Shelf) -> None:
    ubuntu_iso(shelf.folder / "ubuntu.iso", "22.04.5")
    before = await shelf.one("ubuntu.iso")
    await shelf.change("calculateISOChecksum", before["id"])
    ubuntu_iso(shelf.folder / "new", "24.04.1").replace(shelf.folder / "ubuntu.iso")
    after = await shelf.one("ubuntu.iso")
    assert (after["id"], after["version"], after["checksum"]) == (before["id"], "24.04.1", None)


async def test_a_chosen_file_that_holds_another_system_now_is_no_longer_chosen(shelf: Shelf) -> None:
    ubuntu_iso(shelf.folder / "a.iso")
    fedora_iso(shelf.folder / "b.iso")
    for name in ("a.iso", "b.iso"):
        await shelf.change("setDefaultISO", (await shelf.one(name))["id"], "{ id }")
    fedora_iso(shelf.folder / "new", "42").replace(shelf.folder / "a.iso")
    found = await shelf.all()
    assert {name: (one["os"], one["isDefault"]) for name, one in found.items()} == {
        "a.iso": ("FEDORA", False),
        "b.iso": ("FEDORA", True),
    }
    linux_iso(shelf.folder / "new", "SOMETHING", {"README": "hello"}).replace(shelf.folder / "b.iso")
    unknown = await shelf.one("b.iso")
    assert (unknown["isAvailable"], unknown["problem"]) == (False, "It says nothing of a system that is known here")


async def test_the_content_speaks_louder_than_the_name(shelf: Shelf) -> None:
    fedora_iso(shelf.folder / "ubuntu.iso")
    whole = ubuntu_iso(shelf.folder / "whole").read_bytes()
    (shelf.folder / "fedora.iso").write_bytes(whole[:-2048])
    (shelf.folder / "windows10.iso").write_bytes(b"medium")
    found = await shelf.all()
    assert {name: (one["os"], one["isAvailable"], one["problem"]) for name, one in found.items()} == {
        "ubuntu.iso": ("FEDORA", True, None),
        "fedora.iso": ("FEDORA", False, "The ISO file is truncated"),
        "windows10.iso": ("WINDOWS10", False, "File is not an ISO"),
    }


async def test_several_versions_have_one_default(shelf: Shelf) -> None:
    ubuntu_iso(shelf.folder / "old.iso", "22.04.5")
    ubuntu_iso(shelf.folder / "new.iso", "24.04.1")

    async def default() -> list[str]:
        return [name for name, one in (await shelf.all()).items() if one["isDefault"]]

    assert await default() == ["new.iso"]
    ubuntu_iso(shelf.folder / "ubuntu.iso", "20.04")
    assert await default() == ["ubuntu.iso"]
    for name in ("old.iso", "new.iso", "old.iso"):
        chosen = await shelf.one(name)
        assert (await shelf.change("setDefaultISO", chosen["id"], "{ isDefault }")) == {"isDefault": True}
        assert await default() == [name]
    (shelf.folder / "old.iso").rename(shelf.folder / "old.away")
    refused = await shelf.refused("setDefaultISO", (await shelf.one("old.iso"))["id"], "{ id }")
    assert (refused["code"], refused["message"]) == ("CONFLICT", "old.iso can't be used. The file is missing")
    # Nobody gets another version unasked.
    assert (await shelf.api.ask(STATUS, {"os": "UBUNTU"}))["checkISOStatus"]["available"] is False
    assert await shelf.change("removeISO", (await shelf.one("old.iso"))["id"]) is True
    assert await default() == ["ubuntu.iso"]


async def test_two_administrators_choose_at_once(shelf: Shelf) -> None:
    for name in ("a.iso", "b.iso", "c.iso"):
        ubuntu_iso(shelf.folder / name)
    ids = [one["id"] for one in (await shelf.all()).values()]
    await asyncio.gather(*(shelf.change("setDefaultISO", iso_id, "{ id }") for iso_id in ids * 3))
    rows = await shelf.api.database.iso.find_many(where={"isDefault": True})
    assert len(rows) == 1


async def test_only_what_is_true_of_a_file_in_the_directory_is_registered(shelf: Shelf) -> None:
    medium = ubuntu_iso(shelf.folder / "ubuntu-24.iso")
    outside = ubuntu_iso(shelf.folder.parent / "outside.iso")
    (shelf.folder / "link.iso").symlink_to(outside)
    (shelf.folder / "notes.iso").write_text("no medium")
    right = {"filename": medium.name, "os": "ubuntu", "path": medium.name, "size": medium.stat().st_size}
    for wrong, field in _UNTRUE:
        refused = await shelf.api.refusal(REGISTER, {**right, **wrong})
        assert (refused["code"], [one["field"] for one in refused["fields"]]) == ("BAD_USER_INPUT", [field]), wrong
        assert str(shelf.folder) not in str(refused)
    assert await _events(shelf) == []

    whole_path = {**right, "path": str(medium)}
    assert (await shelf.api.ask(REGISTER, whole_path))["registerISO"] == {
        "filename": "ubuntu-24.iso",
        "os": "UBUNTU",
        "version": "24.04.1",
        "isAvailable": True,
    }


async def test_nothing_outside_the_directory_is_read_or_removed(shelf: Shelf) -> None:
    outside = ubuntu_iso(shelf.folder.parent / "outside.iso")
    (shelf.folder / "ubuntu.iso").symlink_to(outside)
    os.mkfifo(shelf.folder / "fedora.iso")
    (shelf.folder / "windows10.iso").mkdir()
    assert await shelf.all() == {}
    # A file that is changed for a link after it was noticed.
    ubuntu_iso(shelf.folder / "swapped.iso")
    iso_id = (await shelf.one("swapped.iso"))["id"]
    (shelf.folder / "swapped.iso").unlink()
    (shelf.folder / "swapped.iso").symlink_to(outside)
    assert await shelf.change("validateISO", iso_id) is False
    assert (await shelf.refused("calculateISOChecksum", iso_id))["code"] == "CONFLICT"
    assert await shelf.change("removeISO", iso_id) is True
    assert outside.is_file()
    answers = [await shelf.api.ask("{ allISOs { path filename problem } }"), await _events(shelf)]
    assert str(shelf.folder) not in str(answers)


async def test_checksums_are_taken_in_the_background_and_by_request(shelf: Shelf) -> None:
    medium = ubuntu_iso(shelf.folder / "ubuntu.iso", extra=3_000_000)
    wanted = hashlib.sha256(medium.read_bytes()).hexdigest()
    row = await shelf.one("ubuntu.iso")
    assert row["checksum"] is None
    await shelf.other.keeper.round()
    assert (await shelf.one("ubuntu.iso"))["checksum"] == wanted
    assert await shelf.change("calculateISOChecksum", row["id"]) == wanted
    assert await shelf.change("validateISO", row["id"]) is True
    verified = await shelf.api.database.iso.find_unique(where={"id": row["id"]})
    assert verified is not None
    assert verified.lastVerified is not None


async def test_a_content_that_changed_below_its_checksum_is_found_out(shelf: Shelf) -> None:
    medium = ubuntu_iso(shelf.folder / "ubuntu.iso", extra=10_000)
    row = await shelf.one("ubuntu.iso")
    await shelf.change("calculateISOChecksum", row["id"])
    before = medium.stat()
    content = bytearray(medium.read_bytes())
    content[-3000] ^= 1
    medium.write_bytes(content)
    os.utime(medium, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert await shelf.change("validateISO", row["id"]) is False
    rotten = await shelf.one("ubuntu.iso")
    assert (rotten["isAvailable"], rotten["problem"]) == (
        False,
        "Its content is not the one that its checksum was taken of",
    )
    content[-3000] ^= 1
    medium.write_bytes(content)
    os.utime(medium, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert await shelf.change("validateISO", row["id"]) is True
    assert (await shelf.one("ubuntu.iso"))["isAvailable"] is True


def _desk(shelf: Shelf) -> IsoDesk:
    parts = shelf.other
    return IsoDesk(shelf.api.database, parts.library, parts.service, parts.uploads)


async def test_the_operator_s_own_file_is_copied_and_chosen(shelf: Shelf) -> None:
    ubuntu_iso(shelf.folder / "ubuntu.iso")
    added = await _desk(shelf).add(fedora_iso(shelf.folder.parent / "own"), default=True)
    assert (added.row.os, added.is_default) == ("fedora", True)
    assert shelf.files() == sorted(["ubuntu.iso", added.row.filename])


async def test_a_medium_that_is_not_read_in_time_stays_what_it_was(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    ubuntu_iso(shelf.folder / "ubuntu.iso")
    before = await shelf.one("ubuntu.iso")
    desk = _desk(shelf)
    with monkeypatch.context() as slow:
        slow.setattr(recognition, "_SECONDS", 0)
        refused = await shelf.refused("validateISO", before["id"])
        assert refused["code"] == "UNAVAILABLE"
        assert [one.problem for one in await desk.check()] == [refused["message"]]
    assert await shelf.one("ubuntu.iso") == before
    assert [one.problem for one in await desk.check()] == [None]


async def test_a_medium_that_was_not_read_in_time_is_understood_when_it_is_validated(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    fedora_iso(shelf.folder / "ubuntu.iso")
    with monkeypatch.context() as slow:
        slow.setattr(recognition, "_SECONDS", 0)
        unread = await shelf.one("ubuntu.iso")
    assert await shelf.one("ubuntu.iso") == unread
    assert (unread["os"], unread["version"], unread["isAvailable"]) == ("UBUNTU", None, False)
    assert unread["problem"] == "The ISO file could not be read in time"
    assert await shelf.change("validateISO", unread["id"]) is True
    after = await shelf.one("ubuntu.iso")
    assert (after["os"], after["version"], after["isAvailable"], after["problem"]) == ("FEDORA", "41", True, None)
    assert await _events(shelf) == [("iso.registered", "ubuntu.iso"), ("iso.updated", "ubuntu.iso")]


async def _machine_with(shelf: Shelf, path: Path) -> None:
    """A machine that has the file in its drive."""
    database = shelf.api.database
    host = await database.host.create(data={"name": str(uuid4()), "libvirtUri": "test:///default"})
    department = await database.department.create(data={"name": "d", "nameKey": str(uuid4())})
    machine_id = str(uuid4())
    await database.machine.create(
        data={
            "id": machine_id,
            "name": "being installed",
            "nameKey": machine_id,
            "internalName": machine_id,
            "os": "ubuntu",
            "cpuCores": 1,
            "ramGB": 1,
            "diskSizeGB": 1,
            "hostId": host.id,
            "departmentId": department.id,
            "configuration": {
                "create": {
                    "firmware": "efi",
                    "domainType": "qemu",
                    "graphicProtocol": "vnc",
                    "network": "default",
                    "macAddress": "52:54:00:aa:bb:cc",
                    "isoPath": str(path),
                }
            },
        }
    )


async def test_a_medium_in_a_machine_s_drive_stays(shelf: Shelf) -> None:
    medium = ubuntu_iso(shelf.folder / "ubuntu.iso")
    row = await shelf.one("ubuntu.iso")
    await _machine_with(shelf, medium)
    refused = await shelf.refused("removeISO", row["id"])
    assert (refused["code"], refused["message"]) == ("CONFLICT", 'ubuntu.iso is in the drive of "being installed"')
    assert medium.is_file()
    await shelf.api.database.machine.delete_many()
    assert await shelf.change("removeISO", row["id"]) is True
    assert (shelf.files(), await shelf.all()) == ([], {})
    assert (await _events(shelf))[-1] == ("iso.removed", "ubuntu.iso")
    assert (await shelf.refused("removeISO", row["id"]))["code"] == "NOT_FOUND"


async def test_two_processes_notice_the_same_files(shelf: Shelf) -> None:
    for number in range(4):
        ubuntu_iso(shelf.folder / f"{number}.iso")
    await asyncio.gather(shelf.all(), shelf.other.library.sync())
    assert len(await shelf.all()) == 4
    assert [kind for kind, _ in await _events(shelf)].count("iso.registered") == 4
