"""Entries are made once, appear whole or not at all, and nothing is left of a builder that died."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from infinibay.unattended.media.cache import Cache, drop
from tests.support import media
from tests.support.wait import until

ROOT = Path(__file__).parents[3]
# Begins an entry, says so, and never ends.
BUILDER = """
import asyncio, sys
from pathlib import Path
from infinibay.unattended.media.cache import Cache

async def build(folder):
    (folder / "half").write_bytes(b"half")
    print("building", flush=True)
    await asyncio.Event().wait()

asyncio.run(Cache(Path(sys.argv[1])).take("key", build, lambda entry: entry))
"""


async def test_callers_at_once_build_once(tmp_path: Path) -> None:
    cache, built = Cache(tmp_path / "cache"), []

    async def build(folder: Path) -> None:
        built.append(folder)
        await asyncio.sleep(0)
        (folder / "file").write_text("whole")

    taken = await asyncio.gather(*(cache.take("key", build, lambda entry: entry) for _ in range(20)))
    assert set(taken) == {tmp_path / "cache" / "entry-key"}
    assert len(built) == 1
    assert media.names(tmp_path / "cache") == ["entry-key"]
    assert (tmp_path / "cache/entry-key/file").read_text() == "whole"


async def test_two_caches_on_one_folder_end_with_one_entry(tmp_path: Path) -> None:
    both = asyncio.Barrier(2)

    async def build(folder: Path) -> None:
        (folder / "file").write_text("whole")
        await both.wait()

    caches = [Cache(tmp_path / "cache") for _ in range(2)]
    await asyncio.gather(*(cache.take("key", build, lambda entry: entry) for cache in caches))
    assert media.names(tmp_path / "cache") == ["entry-key"]


@pytest.mark.parametrize("error", [ValueError("no"), asyncio.CancelledError()])
async def test_a_building_that_fails_leaves_nothing_and_the_next_one_builds(
    tmp_path: Path, error: BaseException
) -> None:
    cache = Cache(tmp_path / "cache")

    async def fail(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise error

    async def build(folder: Path) -> None:
        (folder / "file").write_text("whole")

    with pytest.raises(type(error)):
        await cache.take("key", fail, lambda entry: entry)
    assert media.names(tmp_path / "cache") == []
    await cache.take("key", build, lambda entry: entry)
    assert media.names(tmp_path / "cache/entry-key") == ["file"]


async def test_a_killed_builder_leaves_nothing_once_the_next_one_comes(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    cache = Cache(folder)

    async def build(site: Path) -> None:
        (site / "file").write_text("whole")

    builder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", BUILDER, folder, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert builder.stdout is not None
    assert await builder.stdout.readline() == b"building\n"
    await cache.take("other", build, lambda entry: entry)
    assert len(media.names(folder)) == 2  # It lives: its work is not touched.
    builder.kill()
    await builder.wait()
    await cache.take("key", build, lambda entry: entry)
    assert media.names(folder) == ["entry-key", "entry-other"]


async def test_a_cancelled_caller_waits_until_its_thread_ends(tmp_path: Path) -> None:
    cache, release, began = Cache(tmp_path / "cache"), asyncio.Event(), asyncio.Event()

    async def build(folder: Path) -> None:
        began.set()
        await release.wait()
        (folder / "file").write_text("whole")

    first = asyncio.create_task(cache.take("key", build, lambda entry: entry))
    second = asyncio.create_task(cache.take("key", build, lambda entry: entry))
    await began.wait()
    first.cancel()
    release.set()
    assert await second == tmp_path / "cache/entry-key"
    with pytest.raises(asyncio.CancelledError):
        await first
    await until(lambda: media.names(tmp_path / "cache") == ["entry-key"])


async def test_an_entry_that_was_removed_by_half_is_none(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")

    async def build(folder: Path) -> None:
        (folder / "file").write_text("whole")

    entry = await cache.take("key", build, lambda entry: entry)
    await cache.visit(lambda entries: entries[0].rename(entry.with_name(".building-key")))
    assert (await cache.take("key", build, lambda entry: entry)) == entry
    assert media.names(tmp_path / "cache") == ["entry-key"]
    await cache.visit(lambda entries: drop(entries[0]))
    assert media.names(tmp_path / "cache") == []
