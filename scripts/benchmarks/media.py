"""What the media of an installation cost: nothing that grows with the ISO, or no more than copying it twice."""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path

from infinibay.unattended.media import overlay, seed
from infinibay.unattended.media.kernel import Kernels
from infinibay.unattended.media.remaster import Contents, Remasters
from scripts.benchmarks.figures import Row, Stat
from tests.support import media

_ROUNDS, _COPIES = 40, 3
_READY_MS, _TIMES_CP = 150, 2
_ISO_BYTES = 1024**3
_FILES = {"user-data": b"#cloud-config\n" * 300, "meta-data": b"instance-id: 1\n"}


async def measure() -> list[Row]:
    """Seeds, kernels and overlays beside a large ISO, then remastered ISOs beside `cp`."""
    with tempfile.TemporaryDirectory(dir=Path.cwd() / ".cache") as name:
        folder = Path(name)
        linux = media.grown(media.ubuntu_iso(folder), folder / "linux.iso", _random_file(folder / "filler"))
        windows = media.windows_iso(folder, _random_file(folder / "windows.wim"))
        return [*await _small(folder, linux, windows), *await _remastered(folder, linux, windows)]


async def _small(folder: Path, linux: Path, windows: Path) -> list[Row]:
    kernels, ready, silent, sizes = Kernels(folder / "kernels"), [], [], []
    first = await _timed(kernels.place(linux, _machine(folder, "first")))
    for number in range(_ROUNDS):
        machine = _machine(folder, str(number))
        ready.append(await _timed(_prepare(kernels, linux, machine)))
        silent.append(await _timed(overlay.write(machine / "boot.qcow2", windows)))
        sizes += [(machine / name).stat().st_blocks / 2 for name in ("seed.iso", "boot.qcow2")]
    small = max(sizes) < 1024
    return [
        Row("first kernel of an ISO read", "ms", Stat.of([first])),
        _bounded("seed and kernel of a machine ready", Stat.of(ready)),
        _bounded("Windows' boot without a key press ready", Stat.of(silent)),
        Row("their size on the disk", "KB", Stat.of(sizes), bound="most < 1024 KB", met=small),
    ]


async def _prepare(kernels: Kernels, iso: Path, machine: Path) -> None:
    await seed.write(machine / "seed.iso", "CIDATA", _FILES)
    await kernels.place(iso, machine)


def _bounded(what: str, stat: Stat) -> Row:
    return Row(what, "ms", stat, bound=f"p95 < {_READY_MS} ms", met=stat.p95 < _READY_MS)


async def _remastered(folder: Path, linux: Path, windows: Path) -> list[Row]:
    rows = []
    for name, iso in (("Linux", linux), ("Windows", windows)):
        ours, bare = [], []
        for number in range(_COPIES):
            bare.append(await _timed(asyncio.to_thread(_copy, iso, folder / "copy.iso")))
            remasters = Remasters(folder / "temp", asyncio.Semaphore(1))
            contents = Contents({"answers": b"%d" % number})
            ours.append(await _timed(remasters.take(iso, contents, "bench")))
            await remasters.release("bench")
        stat, copied = Stat.of(ours), Stat.of(bare)
        what = f"{name} ISO of {iso.stat().st_size >> 20} MB remastered (bare: cp and sync)"
        met = stat.median <= _TIMES_CP * copied.median
        rows.append(Row(what, "ms", stat, copied, bound=f"<= {_TIMES_CP} x bare", met=met))
    return rows


def _copy(source: Path, target: Path) -> None:
    media.run("cp", "--reflink=never", source, target)
    with target.open("rb") as copy:
        os.fsync(copy.fileno())
    target.unlink()


def _random_file(path: Path) -> Path:
    """A file that is not sparse and does not compress."""
    block = random.Random(1).randbytes(16 * 1024**2)
    with path.open("wb") as file:
        for _ in range(_ISO_BYTES // len(block)):
            file.write(block)
    return path


def _machine(folder: Path, name: str) -> Path:
    machine = folder / "machines" / name
    machine.mkdir(parents=True)
    return machine


async def _timed(work: Awaitable[object]) -> float:
    """Milliseconds until it was done."""
    began = time.perf_counter()
    await work
    return (time.perf_counter() - began) * 1000
