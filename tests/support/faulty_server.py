"""`infinibay serve` with a fault at the border of a step, INFINIBAY_TEST_FAULT=kind:step:phase: it kills itself there,
or with `:hold` at the end stands still there until the file `go` lies in its base directory."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Literal, cast

from infinibay import log
from infinibay.settings import load
from infinibay.web.server import serve_and_exit
from tests.support.wait import until

HOLD = ":hold"


class Faulty:
    """Kills the process at one point, as a power failure would, or holds the operation there."""

    def __init__(self, fault: str, go: Path) -> None:
        self._point = fault.removesuffix(HOLD)
        self._go = go if fault.endswith(HOLD) else None

    async def reached(self, kind: str, step: str, phase: Literal["before", "after"]) -> None:
        if f"{kind}:{step}:{phase}" != self._point:
            return
        if self._go is not None:
            await until(self._go.exists, 120, "the end of the hold")
        else:
            log.get_logger(__name__).warning("fault.kill", point=self._point)
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    log.configure(level="INFO", json=True)
    role = cast("Literal['api', 'worker', 'all']", sys.argv[1])
    settings = load()
    faults = Faulty(os.environ["INFINIBAY_TEST_FAULT"], settings.infinibay_base_dir / "go")
    serve_and_exit(settings, role, faults)


if __name__ == "__main__":
    main()
