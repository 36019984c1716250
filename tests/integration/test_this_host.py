"""A host is the same one whatever it is called at its next start."""

from __future__ import annotations

import asyncio
import socket
from functools import partial
from pathlib import Path

import pytest

from infinibay.bootstrap.foundation import foundation
from infinibay.db import hosts, rows
from infinibay.db.client import Database
from infinibay.errors import SettingError
from infinibay.host.identity import keep_id, kept_id
from infinibay.host.resources import boot_id
from infinibay.services.this_host import identify
from tests.support.databases import settings_below
from tests.support.twin import twin_uri

URI = "qemu:///system"
OTHER = "11111111-2222-4333-8444-555555555555"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "host-id"


async def identified(database: Database, file: Path, name: str, *, uri: str = URI, alone: bool = False) -> rows.Host:
    return await identify(database, file, name, uri, alone=alone)


async def names(database: Database) -> list[str]:
    return sorted(row.name for row in await database.host.find_many())


async def test_a_server_that_starts_under_another_name_is_the_same_host(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_below(tmp_path, DATABASE_URL=database_url, LIBVIRT_URI=twin_uri(tmp_path))
    found = []
    for name in ("before", "after"):
        monkeypatch.setattr(socket, "gethostname", lambda name=name: name)
        async with foundation(settings) as base:
            found.append((base.host.id, base.host.name))
    assert found == [(found[0][0], "before"), (found[0][0], "after")]
    assert settings.host_id_file.read_text() == f"{found[0][0]}\n"
    assert settings.host_id_file.stat().st_mode & 0o777 == 0o644


async def test_the_row_follows_name_and_uri(database: Database, file: Path) -> None:
    first = await identified(database, file, "one")
    await identified(database, file, "two", uri="test:///default")
    (row,) = await database.host.find_many()
    assert (row.id, row.name, row.libvirtUri) == (first.id, "two", "test:///default")


async def test_processes_that_start_together_are_one_host(database: Database, file: Path) -> None:
    start = partial(identified, database, file, "one")
    found = await asyncio.gather(*(start() for _ in range(8)))
    assert {host.id for host in found} == {kept_id(file)}
    assert await asyncio.to_thread(lambda: list(file.parent.iterdir())) == [file]


async def test_an_earlier_release_s_row_is_known_by_its_name(database: Database, file: Path) -> None:
    row = await hosts.ensure(database, "one", URI)
    await hosts.ensure(database, "two", URI)
    assert (await identified(database, file, "one")).id == row.id
    assert kept_id(file) == row.id


async def test_a_host_alone_with_its_database_is_its_only_row(database: Database, file: Path) -> None:
    """As when it got another name before it had a file, or when its database was restored on a new machine."""
    keep_id(file, OTHER)
    row = await hosts.ensure(database, "before", URI)
    found = await identified(database, file, "after", alone=True)
    assert (found.id, found.name, kept_id(file)) == (row.id, "after", row.id)


async def test_a_host_that_joins_a_database_is_none_of_those_there(database: Database, file: Path) -> None:
    there = await hosts.ensure(database, "one", URI)
    await hosts.set_boot_id(database, there.id, "of another machine")
    assert (await identified(database, file, "two")).id != there.id
    assert await names(database) == ["one", "two"]


async def test_a_row_of_this_boot_is_this_host_s(database: Database, file: Path) -> None:
    await hosts.ensure(database, "another", URI)
    row = await hosts.ensure(database, "before", URI)
    await hosts.set_boot_id(database, row.id, boot_id())
    found = await identified(database, file, "after")
    assert (found.id, found.name) == (row.id, "after")


async def test_a_name_that_another_host_has_is_left_to_it(database: Database, file: Path) -> None:
    mine = await identified(database, file, "one")
    await hosts.ensure(database, "two", URI)
    found = await identified(database, file, "two")
    assert (found.id, found.name) == (mine.id, "one")
    assert await names(database) == ["one", "two"]


async def test_a_file_that_can_t_be_written_stops_the_start(database: Database, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="INFINIBAY_BASE_DIR must be a folder that can hold"):
        await identified(database, tmp_path / "missing" / "host-id", "one")


@pytest.mark.parametrize("content", ["", "no id\n", f"{OTHER}\n{OTHER}\n"])
def test_a_damaged_file_stops_the_start_and_is_left_alone(file: Path, content: str) -> None:
    file.write_text(content)
    with pytest.raises(SettingError, match="INFINIBAY_BASE_DIR holds no id in ") as caught:
        kept_id(file)
    assert (str(file) in caught.value.message, file.read_text()) == (True, content)
