"""A process of its own that starts the embedded PostgreSQL, tells its URL and waits: for tests that kill it.

`python -m tests.support.embedded_server BASE_DIR`; a line on its standard input ends it in order.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from infinibay.db.embedded import EmbeddedPostgres
from infinibay.log import configure
from tests.support.databases import settings_below


async def _main() -> None:
    configure(level="INFO")
    server = EmbeddedPostgres.of(settings_below(Path(sys.argv[1])))
    sys.stdout.write(f"{await server.start()}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    await server.stop()


if __name__ == "__main__":
    asyncio.run(_main())
