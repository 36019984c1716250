"""Measures everything in one run and prints one table; 1 when a bound is missed."""

from __future__ import annotations

import asyncio
import os
import platform
import resource
import signal
import sys
import time
from pathlib import Path

import psutil

from scripts.benchmarks import burst, creation, graphql_lists, images, login, media, processes, reads, streams
from scripts.benchmarks.figures import Row, missed, table
from scripts.benchmarks.subject import Watched
from scripts.daemons import running_daemons
from tests.support.guest_iso import build_guest_iso

_ME = "{ currentUser { id } }"
_OPEN_FILES = 4096


def main() -> int:
    """0 when every bound is met."""
    host = _host()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # A thousand subscribers are as many sockets, here and in the server, which inherits this.
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, _OPEN_FILES), hard))
    with running_daemons("qemu:///system"):
        rows = asyncio.run(_measure())
    print(f"\n{host}\n\n{table(rows)}")
    for what in missed(rows):
        print(f"Missed: {what}")
    return 1 if missed(rows) else 0


async def _measure() -> list[Row]:
    if (task := asyncio.current_task()) is not None:
        # So that what was made is removed, as after Ctrl-C.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    iso = build_guest_iso()
    _say("media")
    rows = await media.measure()
    _say("starts")
    rows += await processes.starts(iso)
    product = Watched(iso, INFINIBAY_DOMAIN_TYPE="auto")
    try:
        await product.start()
        user_id = (await product.ask(_ME))["currentUser"]["id"]
        _say("reads")
        rows += await reads.measure(product, user_id)
        _say("logins")
        rows += await login.measure(product)
        _say("lists")
        rows += await graphql_lists.measure(product, user_id)
        await asyncio.sleep(3)  # At rest: nothing was asked for a moment.
        rows += processes.memory(product, "at rest")
        _say("creations")
        rows += await creation.measure(product)
        _say("machines from an image")
        rows += await images.measure(product)
        _say("fifty at once")
        rows += await burst.measure(product)
        rows += processes.memory(product, "afterwards")
        _say("streams")
        rows += await streams.measure(product)
    finally:
        await product.close()
    return rows


def _host() -> str:
    memory = psutil.virtual_memory().total / 2**30
    model = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    return (
        f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} processors ({model.split(': ')[1]}), {memory:.0f} GB, "
        f"Linux {platform.release()}, Python {platform.python_version()}, load before {os.getloadavg()[0]:.1f}"
    )


def _say(what: str) -> None:
    sys.stderr.write(f"Measuring: {what}\n")


if __name__ == "__main__":
    sys.exit(main())
