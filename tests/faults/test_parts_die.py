"""The database and its engine die under the server while a machine is made and removed: the work goes on."""

from __future__ import annotations

import asyncio
import signal

import psutil
import pytest

from tests.faults.whole import assert_whole, destroy_all, settled
from tests.support.product import Product
from tests.support.scale import count
from tests.support.wait import until

_MOMENTS = [0.0, 0.15, 0.4, 1.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.5, 2.0]


@pytest.fixture(scope="module")
async def running(product: Product) -> Product:
    """The module's product, serving."""
    await product.start()
    return product


def _engine(product: Product) -> psutil.Process:
    assert product.process is not None
    children = psutil.Process(product.process.pid).children(recursive=True)
    return next(child for child in children if "query-engine" in " ".join(child.cmdline()) or child.name() == "node")


def _postgres(product: Product) -> psutil.Process:
    pid = int((product.base / "database" / "postmaster.pid").read_text().split()[0])
    return psutil.Process(pid)


async def _ready(product: Product) -> None:
    async def look() -> bool:
        return (await product.get("/health/ready")).status_code == 200

    await until(look, 60, "readiness after the fault")


def _strike(product: Product, part: str) -> None:
    if part == "engine":
        _engine(product).kill()
    else:
        _postgres(product).send_signal(signal.SIGKILL if part == "postgres killed" else signal.SIGINT)


@pytest.mark.parametrize("part", ["engine", "postgres killed", "postgres restarted"])
@pytest.mark.parametrize("moment", _MOMENTS[: count(3, 12)])
async def test_a_part_dies_under_a_creation_and_a_removal(running: Product, part: str, moment: float) -> None:
    loop = asyncio.get_running_loop()
    created = await running.create(f"under {part} {moment}")
    loop.call_later(moment, _strike, running, part)

    machines = await settled(running)
    await _ready(running)
    assert [(machine["id"], machine["status"]) for machine in machines] == [(created["id"], "running")]
    assert_whole(running, machines)

    loop.call_later(moment / 2, _strike, running, part)
    answer = await running.post(f'mutation {{ destroyMachine(id: "{created["id"]}") {{ success message }} }}')
    codes = {error["extensions"]["code"] for error in answer.get("errors", [])}
    assert codes <= {"UNAVAILABLE"}, answer
    await settled(running)
    await _ready(running)
    await destroy_all(running)
