"""`infinibay serve` that writes how long its event loop stayed away from a ticker: INFINIBAY_BENCH_GAPS names the file.

A line of JSON for each second: `at` (epoch seconds), `gap_ms` (the longest gap of that second), `queued_ms` (how much
of it the thread waited for a processor that others had), `doing` (where the loop's thread was when it was late).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, Literal, cast

from infinibay import log
from infinibay.settings import load
from infinibay.web.server import serve

_TICK_SECONDS = 0.005
_LATE_SECONDS = 0.05
_LOOK_SECONDS = 0.01
_FRAMES = 12


class LoopWatch:
    """A ticker in the loop, and a thread that looks what the loop does when the ticker is late."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._loop_thread = threading.get_ident()
        self._schedule = os.open("/proc/self/schedstat", os.O_RDONLY)
        self._ticked = time.monotonic()
        self._worst: dict[str, Any] = {}
        self._doing = ""

    async def run(self) -> None:
        """Ticks until it is cancelled."""
        threading.Thread(target=self._look, daemon=True).start()
        with self._file.open("a") as output:
            written = time.monotonic()
            queued = self._queued()
            while True:
                self._ticked = time.monotonic()
                await asyncio.sleep(_TICK_SECONDS)
                now, before, queued = time.monotonic(), queued, self._queued()
                self._note(now - self._ticked - _TICK_SECONDS, queued - before)
                if now - written >= 1:
                    output.write(json.dumps(self._worst) + "\n")
                    output.flush()
                    written, self._worst = now, {}

    def _note(self, gap: float, queued: float) -> None:
        doing, self._doing = self._doing, ""
        if gap * 1000 > self._worst.get("gap_ms", -1):
            late = {"at": time.time(), "gap_ms": round(gap * 1000, 1), "queued_ms": round(queued * 1000, 1)}
            self._worst = {**late, "doing": doing}

    def _queued(self) -> float:
        """Seconds that the process's first thread, which runs the loop, has waited for a processor so far."""
        return int(os.pread(self._schedule, 100, 0).split()[1]) / 1e9

    def _look(self) -> None:
        while True:
            time.sleep(_LOOK_SECONDS)
            if not self._doing and time.monotonic() - self._ticked > _TICK_SECONDS + _LATE_SECONDS:
                frame = sys._current_frames().get(self._loop_thread)  # noqa: SLF001 - the documented way to see it
                stack = traceback.extract_stack(frame)[-_FRAMES:]
                self._doing = " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in reversed(stack))


async def _serve(role: Literal["api", "worker", "all"]) -> None:
    watch = asyncio.create_task(LoopWatch(Path(os.environ["INFINIBAY_BENCH_GAPS"])).run())
    try:
        await serve(load(), role)
    finally:
        watch.cancel()


def main() -> None:
    log.configure(level="INFO", json=True)
    asyncio.run(_serve(cast("Literal['api', 'worker', 'all']", sys.argv[1])))


if __name__ == "__main__":
    main()
