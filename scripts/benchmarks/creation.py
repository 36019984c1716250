"""createMachine: how fast it is answered, and how fast the machine runs, against libvirt's calls alone."""

from __future__ import annotations

import asyncio
import time

import psycopg
from psycopg.rows import TupleRow

from infinibay.db.events import CHANNEL
from scripts.benchmarks.bare import BareLibvirt
from scripts.benchmarks.figures import Row, Stat
from scripts.benchmarks.subject import Watched

_PAIRS = 24
_DISK_GB = 20
_ANSWER_MS = 50
_FACTOR = 1.25
_MARGIN_MS = 200
_SECONDS = 60
_DEPARTMENT = "query Department($id: String!) { machine(id: $id) { departmentId } }"
_SETTLED = """
SELECT data->>'status', data->>'reason' FROM events
WHERE machine_id = %s AND kind = 'machine.status' AND data->>'status' <> 'building' ORDER BY seq LIMIT 1
"""


async def measure(product: Watched) -> list[Row]:
    """Pairs in turn: the product's machine, then libvirt's; each is removed before the next one is made."""
    bare = await asyncio.to_thread(BareLibvirt, product.libvirt_uri, product.pool)
    answered, unattended, running, alone = [], [], [], []
    async with await psycopg.AsyncConnection.connect(product.database_url, autocommit=True) as listener:
        await listener.execute(f"LISTEN {CHANNEL}")
        await _one(product, listener, "warm-up", bare)
        for number in range(_PAIRS):
            answer, took, libvirt_ms = await _one(product, listener, f"pair {number}", bare)
            answered.append(answer)
            running.append(took)
            alone.append(libvirt_ms)
            machine_id, answer, took = await _made(product, listener, f"unattended {number}", "SEED")
            answered.append(answer)
            unattended.append(took)
            await destroy(product, machine_id)
    await asyncio.to_thread(bare.close)
    answer_stat, running_stat, bare_stat = Stat.of(answered), Stat.of(running), Stat.of(alone)
    most = max(_FACTOR * bare_stat.median, bare_stat.median + _MARGIN_MS)
    return [
        Row(
            "createMachine answered (HTTP)",
            "ms",
            answer_stat,
            bound=f"p95 < {_ANSWER_MS} ms",
            met=answer_stat.p95 < _ANSWER_MS,
        ),
        Row(
            "create until RUNNING",
            "ms",
            running_stat,
            bare_stat,
            f"<= {_FACTOR} x or + {_MARGIN_MS} ms",
            running_stat.median <= most,
        ),
        Row("the same with answers for its installer", "ms", Stat.of(unattended)),
    ]


async def _made(
    product: Watched, listener: psycopg.AsyncConnection[TupleRow], name: str, mode: str
) -> tuple[str, float, float]:
    """A machine's id, and the milliseconds until the answer and until its status is `running`."""
    began = time.perf_counter()
    machine_id = str((await product.create(name, customStorage=_DISK_GB, mediaMode=mode))["id"])
    answered = time.perf_counter()
    await until_running(listener, machine_id)
    return machine_id, (answered - began) * 1000, (time.perf_counter() - began) * 1000


async def _one(
    product: Watched, listener: psycopg.AsyncConnection[TupleRow], name: str, bare: BareLibvirt
) -> tuple[float, float, float]:
    """Milliseconds until the answer, until a machine that boots its ISO runs, and of libvirt alone for the same."""
    machine_id, answer, took = await _made(product, listener, name, "MANUAL")
    department = (await product.ask(_DEPARTMENT, {"id": machine_id}))["machine"]["departmentId"]
    definition = await asyncio.to_thread(bare.definition, machine_id)
    await destroy(product, machine_id)
    directory = product.base / "machines"
    other, alone = await asyncio.to_thread(bare.create, definition, machine_id, department, _DISK_GB, directory)
    await asyncio.to_thread(bare.remove, other, directory)
    return answer, took, alone


async def until_running(listener: psycopg.AsyncConnection[TupleRow], machine_id: str) -> None:
    """Waits for the event that a new machine runs. RuntimeError when it became anything else."""
    async with asyncio.timeout(_SECONDS):
        while (found := await (await listener.execute(_SETTLED, [machine_id])).fetchone()) is None:
            async for _ in listener.notifies(timeout=1, stop_after=1):
                pass
    if found[0] != "running":
        raise RuntimeError(f"a machine became {found[0]} instead of running: {found[1]}")


async def destroy(product: Watched, machine_id: str) -> None:
    """Removes a machine. RuntimeError when it stays."""
    outcome = await product.verb("destroyMachine", machine_id)
    if not outcome["success"]:
        raise RuntimeError(f"a machine was not destroyed: {outcome['message']}")
