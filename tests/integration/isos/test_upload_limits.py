"""Uploads where space, time or the database come to an end."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from infinibay.core.access import Role
from infinibay.errors import NoSpace
from infinibay.host.iso_directory import IsoDirectory
from infinibay.host.upload_parts import UploadParts
from infinibay.services.isos import recognition
from infinibay.services.isos.library import IsoLibrary
from infinibay.services.isos.uploads import KEPT_SECONDS, IsoUploads
from infinibay.web.uploads import routes
from tests.support.library import Shelf
from tests.support.sockets import served
from tests.support.uploading import Uploader, told
from tests.support.wait import until

NAME = "ubuntu-24.04.1-server-amd64.iso"


async def test_the_quota_counts_what_is_there_and_what_is_to_come(shelf: Shelf, admin: Uploader) -> None:
    gigabyte = 1000**3
    principal = shelf.api.principal(Role.ADMIN)
    small = _uploads(shelf, IsoDirectory(shelf.folder), quota=10 * gigabyte)
    with (shelf.folder / "large.iso").open("wb") as file:
        file.truncate(4 * gigabyte)
    await small.begin(principal, 4 * gigabyte, None)
    with pytest.raises(NoSpace, match="All media together may have 10 GB"):
        await small.begin(principal, 3 * gigabyte, None)
    assert len([file for file in shelf.files() if file.endswith(".part")]) == 1
    assert (await admin.begin(99 * 1000**3)).status_code in (201, 507)


def _uploads(shelf: Shelf, directory: IsoDirectory, *, quota: int = 10**12, reserve: int = 0) -> IsoUploads:
    database = shelf.api.database
    return IsoUploads(database, IsoLibrary(database, directory), UploadParts(directory, reserve), quota)


@contextmanager
def _small_disk(place: Path, kilobytes: int) -> Iterator[IsoDirectory]:
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(place)], check=True)
    try:
        yield IsoDirectory(place)
    finally:
        subprocess.run(["umount", str(place)], check=True)


async def test_a_disk_that_is_full_or_gets_full(shelf: Shelf, admin: Uploader, medium: bytes, tmp_path: Path) -> None:
    principal = shelf.api.principal(Role.ADMIN)
    with _small_disk(tmp_path / "disk", 5000) as directory:
        small = _uploads(shelf, directory)
        with pytest.raises(NoSpace):
            await small.begin(principal, 6_000_000, None)
        begun = await small.begin(principal, len(medium), None)
        glutton = directory.root / "glutton"
        glutton.write_bytes(bytes(3_000_000))

        async def unnamed() -> None:
            pass

        async def all_of_it() -> AsyncIterator[bytes]:
            yield medium[:1_500_000]
            yield medium[1_500_000:]

        with pytest.raises(NoSpace):
            await small.add(principal, begun.id, 0, all_of_it())
        kept = await small.find(principal, begun.id)
        assert 0 < kept.offset <= 1_900_000
        with pytest.raises(NoSpace):
            await small.at_once(principal, len(medium), all_of_it(), unnamed)
        glutton.unlink()

        async def rest() -> AsyncIterator[bytes]:
            yield medium[kept.offset :]

        await small.add(principal, begun.id, kept.offset, rest())
        row = await small.finish(principal, begun.id)
        assert (row.sha256, sorted(path.name for path in directory.root.iterdir())) == (
            hashlib.sha256(medium).hexdigest(),
            [".uploads", NAME],
        )
        assert list(directory.uploads.iterdir()) == []


async def test_some_space_is_left_to_everybody_else(shelf: Shelf, admin: Uploader, tmp_path: Path) -> None:
    with _small_disk(tmp_path / "disk", 5000) as directory:
        careful = _uploads(shelf, directory, reserve=3_000_000)
        with pytest.raises(NoSpace):
            await careful.begin(shelf.api.principal(Role.ADMIN), 2_500_000, None)


async def test_uploads_that_nobody_continues_are_forgotten(shelf: Shelf, admin: Uploader, medium: bytes) -> None:
    old, fresh = await admin.begun(len(medium)), await admin.begun(len(medium))
    await admin.add(old, 0, medium[:1000])
    yesterday = time.time() - KEPT_SECONDS - 60
    for file in shelf.folder.rglob(f"{old.rsplit('/', maxsplit=1)[-1]}.*"):
        os.utime(file, (yesterday, yesterday))
    await shelf.other.keeper.round()
    assert (await admin.add(old, 1000, b"x")).status_code == 404
    assert await admin.offset(fresh) == 0


async def test_the_database_fails_when_all_has_come(shelf: Shelf, admin: Uploader, medium: bytes) -> None:
    """The file is not in its place then, and the client may try the end again."""
    place = await admin.begun(len(medium))
    await shelf.api.database.execute_raw("ALTER TABLE isos RENAME TO isos_away")
    try:
        assert (await admin.add(place, 0, medium)).status_code == 500
        assert [file for file in shelf.files() if file.endswith(".iso")] == []
    finally:
        await shelf.api.database.execute_raw("ALTER TABLE isos_away RENAME TO isos")
    assert (await admin.add(place, len(medium), b"")).status_code == 204
    assert shelf.files() == [NAME]


async def test_an_upload_that_is_not_read_in_time_can_be_finished_again(
    shelf: Shelf, admin: Uploader, medium: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = await admin.begun(len(medium))
    with monkeypatch.context() as slow:
        slow.setattr(recognition, "_SECONDS", 0)
        assert told(await admin.add(place, 0, medium)) == (503, "The ISO file could not be read in time")
    assert await admin.offset(place) == len(medium)
    assert (await admin.add(place, len(medium), b"")).status_code == 204
    assert shelf.files() == [NAME]


async def test_a_client_that_falls_silent_is_let_go(shelf: Shelf, medium: bytes) -> None:
    app = Starlette(routes=routes(shelf.api.services, silent_seconds=0.2))

    async def half() -> AsyncIterator[bytes]:
        yield medium[: len(medium) // 2]
        await asyncio.Event().wait()

    async with served(app) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        admin = Uploader(shelf, client)
        place = await admin.begun(len(medium))
        sending = asyncio.create_task(admin.add(place, 0, half()))

        async def let_go() -> bool:
            offset = await admin.offset(place)
            return (await admin.add(place, offset, medium[offset:])).status_code == 204

        async def begun() -> bool:
            return await admin.offset(place) > 0

        try:
            await until(begun, 20, "the first half")
            assert await until(let_go, 20, "another request in its place")
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
    assert shelf.files() == [NAME]
