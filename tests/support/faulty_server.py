"""`infinibay serve` that kills itself at the border of a step: INFINIBAY_TEST_FAULT=kind:step:phase."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Literal, cast

from infinibay import log
from infinibay.settings import load
from infinibay.web.server import serve


class Dying:
    """Kills the process at one point, as a power failure would."""

    def __init__(self, point: str) -> None:
        self._point = point

    async def reached(self, kind: str, step: str, phase: Literal["before", "after"]) -> None:
        if f"{kind}:{step}:{phase}" == self._point:
            log.get_logger(__name__).warning("fault.kill", point=self._point)
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    log.configure(level="INFO", json=True)
    role = cast("Literal['api', 'worker', 'all']", sys.argv[1])
    asyncio.run(serve(load(), role, Dying(os.environ["INFINIBAY_TEST_FAULT"])))


if __name__ == "__main__":
    main()
