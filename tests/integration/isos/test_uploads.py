"""Media over HTTP: into place only when whole and recognised, and whatever way they came in the same bytes."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infinibay.core.access import Principal, Role
from infinibay.host.iso_directory import IsoDirectory
from infinibay.host.upload_parts import UploadParts
from infinibay.services.isos.library import IsoLibrary
from infinibay.services.isos.uploads import IsoUploads
from tests.support.iso_layouts import fedora_iso, linux_iso, ubuntu_iso, windows11_iso
from tests.support.library import Shelf
from tests.support.scale import count
from tests.support.uploading import BOUNDARY, Uploader, form, told
from tests.support.wait import until

NAME = "ubuntu-24.04.1-server-amd64.iso"


async def test_a_form_as_existing_dashboards_send_it(shelf: Shelf, admin: Uploader, medium: bytes) -> None:
    answer = await admin.form(form(medium, {"os": "ubuntu"}))
    row = await shelf.one(NAME)
    assert (answer.status_code, answer.json()) == (
        200,
        {"message": "ISO uploaded", "bytesReceived": len(medium), "fileName": NAME, "os": "ubuntu", "isoId": row["id"]},
    )
    assert row["checksum"] == hashlib.sha256(medium).hexdigest()
    assert shelf.files() == [NAME]
    assert (shelf.folder / NAME).read_bytes() == medium
    assert (shelf.folder / NAME).stat().st_mode & 0o777 == 0o644
    actors = await shelf.api.database.event.find_many(where={"kind": "iso.registered"})
    assert actors[-1].actorId == shelf.api.users[Role.ADMIN].id
    entries = await shelf.api.database.auditentry.find_many(where={"action": "isoUpload"})
    assert [entry.result for entry in entries][-1] == "ok"


async def test_the_fields_of_a_form_come_in_any_order(shelf: Shelf, admin: Uploader, medium: bytes) -> None:
    assert (await admin.form(form(medium, {"os": "UBUNTU"}, file_first=False))).status_code == 200
    assert (await admin.form(form(medium))).status_code == 200
    assert shelf.files() == [NAME]


async def test_piece_by_piece_with_an_interruption(shelf: Shelf, admin: Uploader, medium: bytes) -> None:
    place = await admin.begun(len(medium), os="ubuntu", filename="../../etc/passwd")
    first = await admin.add(place, 0, medium[:1_000_001])
    assert (first.status_code, first.headers["upload-offset"]) == (204, "1000001")
    assert await shelf.all() == {}
    assert await admin.offset(place) == 1_000_001
    last = await admin.add(place, 1_000_001, medium[1_000_001:])
    row = await shelf.one(NAME)
    assert (last.status_code, last.headers["iso-id"], last.headers["iso-filename"]) == (204, row["id"], NAME)
    assert (row["checksum"], shelf.files()) == (hashlib.sha256(medium).hexdigest(), [NAME])
    gone = await admin.add(place, len(medium), b"")
    assert told(gone) == (404, "There is no such upload")


async def test_a_connection_that_is_cut_goes_on_where_it_stood(shelf: Shelf, admin: Uploader, medium: bytes) -> None:
    place = await admin.begun(len(medium))
    going = asyncio.Event()

    async def cut() -> AsyncIterator[bytes]:
        yield medium[:2_000_000]
        going.set()
        await asyncio.Event().wait()

    sending = asyncio.create_task(admin.add(place, 0, cut()))
    await going.wait()

    async def written() -> bool:
        return await admin.offset(place) > 0

    await until(written, 20, "the first piece on the disk")
    # Somebody else who continues it meanwhile is told to wait.
    assert told(await admin.add(place, await admin.offset(place), b"x"))[0] == 423
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)

    async def free() -> int | None:
        offset = await admin.offset(place)
        answer = await admin.add(place, offset, b"")
        return offset if answer.status_code == 204 else None

    offset = await until(free, 20, "the end of the cut request")
    assert 0 < offset <= 2_000_000
    assert (await admin.add(place, offset, medium[offset:])).status_code == 204
    assert (await shelf.one(NAME))["checksum"] == hashlib.sha256(medium).hexdigest()
    assert (shelf.folder / NAME).read_bytes() == medium


async def test_another_process_goes_on_where_the_first_one_died(shelf: Shelf, admin: Uploader, medium: bytes) -> None:
    place = await admin.begun(len(medium))
    assert (await admin.add(place, 0, medium[:1_500_000])).status_code == 204
    principal = shelf.api.principal(Role.ADMIN)
    upload_id = place.rsplit("/", maxsplit=1)[-1]

    async def rest() -> AsyncIterator[bytes]:
        yield medium[1_500_000:]

    await shelf.other.uploads.add(principal, upload_id, 1_500_000, rest())
    row = await shelf.other.uploads.finish(principal, upload_id)
    assert row.sha256 == hashlib.sha256(medium).hexdigest()
    assert shelf.files() == [NAME]


@settings(
    max_examples=count(10, 100),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(cuts=st.lists(st.integers(1, 2**21), max_size=8), pieces=st.lists(st.integers(1, 2**18), min_size=1, max_size=5))
def test_whatever_the_chunks_the_file_and_its_checksum_are_right(
    tmp_path: Path, cuts: list[int], pieces: list[int]
) -> None:
    """Requests end at the cuts, each in another process; within them the bytes come in pieces."""
    content = os.urandom(2**21)
    borders = sorted({0, *(cut % len(content) for cut in cuts), len(content)})

    async def arriving(start: int, end: int) -> AsyncIterator[bytes]:
        at, turn = start, 0
        while at < end:
            following = min(end, at + pieces[turn % len(pieces)])
            yield content[at:following]
            at, turn = following, turn + 1

    async def upload() -> tuple[bytes, str]:
        directory = IsoDirectory(tmp_path)
        principal = Principal("user", Role.ADMIN, "session")
        parts = [UploadParts(directory, 0) for _ in range(2)]
        desks = [IsoUploads(None, IsoLibrary(None, directory), one, 10**12) for one in parts]  # type: ignore[arg-type]
        begun = await desks[0].begin(principal, len(content), None)
        for number, (start, end) in enumerate(pairwise(borders)):
            await desks[number % 2].add(principal, begun.id, start, arriving(start, end))
        part = parts[0].open(begun.id)
        checksum = part.sha256
        part.close()
        written = parts[0].path(begun.id).read_bytes()
        await desks[0].cancel(principal, begun.id)
        return written, checksum

    assert asyncio.run(upload()) == (content, hashlib.sha256(content).hexdigest())


async def test_two_uploads_at_once_get_names_of_their_own(
    shelf: Shelf, admin: Uploader, medium: bytes, tmp_path: Path
) -> None:
    other = ubuntu_iso(tmp_path / "other", extra=10_000).read_bytes()
    answers = await asyncio.gather(*(admin.form(form(content)) for content in (medium, other, medium)))
    assert {answer.status_code for answer in answers} == {200}
    files = {path.name: path.read_bytes() for path in shelf.folder.glob("*.iso")}
    assert sorted(files) == ["ubuntu-24.04.1-server-amd64-2.iso", NAME]
    assert sorted(files.values()) == sorted([medium, other])
    # The same content a second time is the medium that is there already.
    assert answers[0].json()["isoId"] == answers[2].json()["isoId"]


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/cron.d/x.iso",
        "/etc/passwd",
        "C:\\x.iso",
        "x.iso\\",
        "ubuntu.iso",
        "",
        ".iso",
        "a" * 5000,
        "\u202egpj.iso",
    ],
)
async def test_the_client_s_name_becomes_no_path(shelf: Shelf, admin: Uploader, name: str) -> None:
    ubuntu_iso(shelf.folder / "ubuntu.iso", "20.04")
    before = (shelf.folder / "ubuntu.iso").read_bytes()
    content = ubuntu_iso(shelf.folder.parent / "sent").read_bytes()
    answer = await admin.form(form(content, filename=name))
    assert answer.status_code in (200, 400)
    assert (shelf.folder / "ubuntu.iso").read_bytes() == before
    assert set(shelf.files()) <= {"ubuntu.iso", NAME}
    places = {path for path in shelf.folder.parent.rglob("*") if path.is_file() and path.read_bytes() == content}
    assert places <= {shelf.folder / NAME, shelf.folder.parent / "sent"}


async def test_what_is_no_medium_leaves_nothing_behind(shelf: Shelf, admin: Uploader, tmp_path: Path) -> None:
    whole = ubuntu_iso(tmp_path / "whole").read_bytes()
    unknown = linux_iso(tmp_path / "unknown", "SOMETHING", {"README": "hello"}).read_bytes()
    fedora = fedora_iso(tmp_path / "fedora").read_bytes()
    cases: tuple[tuple[bytes, dict[str, str], str], ...] = (
        (b"no image at all", {}, "File is not an ISO"),
        (whole[:-2048], {}, "The ISO file is truncated"),
        (unknown, {}, "It says nothing of a system that is known here"),
        (fedora, {"os": "ubuntu"}, "It holds Fedora"),
        (whole, {"os": "macos"}, "A system is one of windows10, windows11, ubuntu, fedora, rhel, rocky, alma, debian"),
    )
    for content, fields, message in cases:
        assert told(await admin.form(form(content, fields))) == (400, message)
        begun = await admin.begin(len(content), **fields)
        if begun.status_code == 201:
            begun = await admin.add(begun.headers["location"], 0, content)
        assert told(begun) == (400, message)
        assert shelf.files() == []
    assert await shelf.all() == {}


async def test_forms_that_are_none(shelf: Shelf, admin: Uploader, medium: bytes) -> None:
    good = form(medium)
    cases = (
        (good[: len(good) // 2], None, "The form ends too early"),
        (
            form(medium).replace(b'name="file"', b'name="other"', 1),
            None,
            "A field of the form has more than 1000 bytes",
        ),
        (f"--{BOUNDARY}--\r\n".encode(), None, "The form has no file"),
        (b"garbage", None, "The form can't be read"),
        (good, {"content-type": "multipart/form-data"}, "The form has no boundary"),
        (form(medium, {f"f{n}": "x" for n in range(30)}), None, "The form has more than 20 fields"),
    )
    for body, headers, message in cases:
        assert told(await admin.form(body, headers)) == (400, message)
    assert (shelf.files(), await shelf.all()) == ([], {})


async def test_refusals_of_the_resumable_protocol(shelf: Shelf, admin: Uploader, medium: bytes) -> None:
    for length in ("-1", "many", "", "1" * 30, "0"):
        assert (await admin.begin(length)).status_code == 400
    assert (await admin.begin(100 * 1000**3 + 1)).status_code == 413
    for place in (
        "/isoUpload/../../etc/passwd",
        "/isoUpload/nothing",
        f"/isoUpload/{'0' * 8}-0000-0000-0000-{'0' * 12}",
    ):
        assert (await admin.add(place, 0, b"x")).status_code == 404
    place = await admin.begun(len(medium))
    assert told(await admin.add(place, 5, medium[5:])) == (409, "The upload stands at byte 0")
    assert (await admin.add(place, 0, medium + b"more")).status_code == 413
    assert (await admin.cancel(place)).status_code == 204
    assert told(await admin.cancel(place)) == (404, "There is no such upload")
    assert shelf.files() == []


async def test_only_administrators_upload_and_each_the_own(shelf: Shelf, admin: Uploader, medium: bytes) -> None:
    place = await admin.begun(len(medium))
    for role, status in ((None, 401), (Role.USER, 403)):
        other = Uploader(shelf, admin._client, role)
        for answer in (
            await other.form(form(medium)),
            await other.begin(10),
            await other.add(place, 0, medium),
            await other.cancel(place),
        ):
            assert answer.status_code == status
        assert (await admin._client.head(place, headers=other.headers)).status_code == status
    entries = await shelf.api.database.auditentry.find_many(where={"action": "isoUpload", "result": "FORBIDDEN"})
    assert {entry.actorId for entry in entries} == {shelf.api.users[Role.USER].id}
    another = Uploader(shelf, admin._client, Role.SUPER_ADMIN)
    assert (await another.add(place, 0, medium)).status_code == 404
    forged = {"authorization": "Bearer forged"}
    assert (await admin._client.post("/isoUpload", headers=forged, content=b"x")).status_code == 401
    bare = {"authorization": admin.headers["authorization"].removeprefix("Bearer "), "upload-length": "10"}
    assert (await admin._client.post("/isoUpload", headers=bare)).status_code == 201
    assert await shelf.all() == {}


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_session_that_ends_while_the_bytes_come_puts_nothing_into_place(
    shelf: Shelf, admin: Uploader, medium: bytes, at_once: bool
) -> None:
    async def sent(content: bytes) -> AsyncIterator[bytes]:
        yield content[:-1]
        await shelf.api.services.auth.revoke_sessions(shelf.api.principal(Role.ADMIN), shelf.api.users[Role.ADMIN].id)
        yield content[-1:]

    if at_once:
        body = form(medium)
        answer = await admin.form(sent(body), {"content-length": str(len(body))})
    else:
        answer = await admin.add(await admin.begun(len(medium)), 0, sent(medium))
    assert answer.status_code == 401
    assert [file for file in shelf.files() if file.endswith(".iso")] == []
    login = await shelf.api.services.auth.login("admin@example.com", "correct horse")
    shelf.api.tokens[Role.ADMIN] = login.token


async def test_a_windows_disc_arrives_whole(shelf: Shelf, admin: Uploader, tmp_path: Path) -> None:
    content = windows11_iso(tmp_path / "w").read_bytes()
    assert (await admin.form(form(content, {"os": "windows11"}))).json()["fileName"] == "windows11-22631-amd64.iso"


async def test_other_pages_may_upload_only_when_they_are_listed(shelf: Shelf, admin: Uploader) -> None:
    asked = {"origin": "https://other.example", "access-control-request-method": "PATCH"}
    answer = await admin._client.options("/isoUpload", headers=asked)
    assert "access-control-allow-origin" not in answer.headers
    abilities = await admin._client.options("/isoUpload")
    assert (abilities.status_code, abilities.headers["tus-version"]) == (204, "1.0.0")
