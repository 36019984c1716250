"""A machine from an image: how fast it runs, against the two calls of libvirt that it can't do without."""

from __future__ import annotations

import asyncio
import re
import shutil
import time

import psycopg
from psycopg.rows import TupleRow

from infinibay.core import naming
from infinibay.db.events import CHANNEL
from scripts.benchmarks.bare import BareLibvirt
from scripts.benchmarks.creation import destroy, until_running
from scripts.benchmarks.figures import Row, Stat
from scripts.benchmarks.subject import Watched
from tests.support.cloud_image import build_cloud_image

_PAIRS = 16
_DISK_GB = 20
_FACTOR = 1.5
_FILE = "bench.qcow2"
_ADD = """
mutation Add($file: String!) { addImage(filename: $file, name: "Bench", os: UBUNTU) { id operationId } }
"""
_REMOVE = "mutation Remove($id: ID!) { removeImage(id: $id) }"
_SEED = re.compile(r"<source file='[^']*seed\.iso'[^>]*/>")


async def measure(product: Watched) -> list[Row]:
    """Pairs in turn: the product's machine, then libvirt's; each is removed before the next one is made."""
    await asyncio.to_thread(shutil.copy, build_cloud_image(), product.base / "iso" / _FILE)
    image = (await product.ask(_ADD, {"file": _FILE}))["addImage"]
    added = await product.ended(image["operationId"])
    if added["state"] != "SUCCEEDED":
        raise RuntimeError(f"the image was not added: {added}")
    bare = await asyncio.to_thread(BareLibvirt, product.libvirt_uri, product.pool)
    running, alone = [], []
    async with await psycopg.AsyncConnection.connect(product.database_url, autocommit=True) as listener:
        await listener.execute(f"LISTEN {CHANNEL}")
        for number in range(_PAIRS + 1):
            pair = await _one(product, listener, f"image {number}", image["id"], bare)
            if number:  # The first one warms up.
                running.append(pair[0])
                alone.append(pair[1])
    await asyncio.to_thread(bare.close)
    await product.ask(_REMOVE, {"id": image["id"]})
    ours, theirs = Stat.of(running), Stat.of(alone)
    met = ours.median <= _FACTOR * theirs.median
    return [Row("from an image until RUNNING", "ms", ours, theirs, f"<= {_FACTOR} x (overlay + start)", met)]


async def _one(
    product: Watched, listener: psycopg.AsyncConnection[TupleRow], name: str, image_id: str, bare: BareLibvirt
) -> tuple[float, float]:
    """Milliseconds until the machine's status is `running`, and of overlay and start alone."""
    began = time.perf_counter()
    machine_id = str((await product.create(name, baseImage=image_id, mediaMode=None, customStorage=_DISK_GB))["id"])
    await until_running(listener, machine_id)
    took = (time.perf_counter() - began) * 1000
    # The answers in the drive are this machine's alone.
    definition = _SEED.sub("", await asyncio.to_thread(bare.definition, machine_id))
    await destroy(product, machine_id)
    backing = str(product.base / "disks" / naming.image_volume(image_id))
    directory = product.base / "machines"
    alone = await asyncio.to_thread(bare.overlay_and_start, definition, machine_id, _DISK_GB, backing, directory)
    return took, alone
