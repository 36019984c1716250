"""Serves until a signal asks for the end: SIGINT and SIGTERM close the connections, then the product."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import uvicorn
from starlette.types import ASGIApp

from infinibay.bootstrap import Product, Role, running
from infinibay.errors import SettingError
from infinibay.log import get_logger
from infinibay.operations.api import FaultPoints
from infinibay.settings import Settings
from infinibay.web.app import create_app
from infinibay.web.graphql_endpoint import LARGEST_BODY

log = get_logger(__name__)
_GRACE_SECONDS = 5
_SWITCH_SECONDS = 0.0005
# A full collection costs 250 ms with 1,000 subscribers. What one event makes for all of them dies by itself, but looked
# at twice in the middle of it, as after the usual 7,000 objects, it counts as growth, and growth brings full ones.
# The first look is at few objects, since the dead among them are removed at once, and the durable engine's polling
# leaves 11,000 of those a second.
_COLLECTIONS = (2_000, 50, 10)


class _Server(uvicorn.Server):
    """Leaves the signals to us, because the database must outlive the last request."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve_and_exit(settings: Settings, role: Role, faults: FaultPoints | None = None) -> NoReturn:
    """Serves until a signal asks for the end, and ends the process. Raises SettingError for what the operator must
    mend."""
    asyncio.run(serve(settings, role, faults))
    sys.stdout.flush()
    sys.stderr.flush()
    # The durable engine's threads ask an absent database for ever, and the interpreter's end would wait for them.
    os._exit(0)


async def serve(settings: Settings, role: Role, faults: FaultPoints | None = None) -> None:
    """Runs the product in a role; `worker` listens nowhere. Raises SettingError for what the operator must mend."""
    # Threads that call libvirt and the durable engine must not make the event loop wait 5 ms each time for the GIL.
    sys.setswitchinterval(_SWITCH_SECONDS)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    listener = None if role == "worker" else _listen(settings)
    try:
        async with running(settings, role, faults) as product:
            # What was made up to here stays; looking through all of it again would block the loop for a moment.
            gc.collect()
            gc.freeze()
            gc.set_threshold(*_COLLECTIONS)
            if listener is None:
                log.info("server.working")
                await ended.wait()
            else:
                await _answer(product, listener, ended)
    finally:
        if listener is not None:
            listener.close()


def _listen(settings: Settings) -> socket.socket:
    """Bound before anything is started, so that a taken port stops the start at once."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Where the protocol is not named, asyncio leaves Nagle's algorithm on, and each answer waits 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except (OSError, UnicodeError) as error:
        listener.close()
        variable = "HOST" if isinstance(error, (socket.gaierror, UnicodeError)) or error.errno == 99 else "PORT"
        raise SettingError(variable, f"can't be used: {settings.host}:{settings.port}: {error}") from error
    return listener


def server_config(app: ASGIApp) -> uvicorn.Config:
    """How an application is served: messages over WebSockets are as large as a body may be, and not compressed, which
    would cost each connection twice its memory."""
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws_per_message_deflate=False,
        ws_max_size=LARGEST_BODY,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


async def _answer(product: Product, listener: socket.socket, ended: asyncio.Event) -> None:
    settings = product.settings
    config = server_config(create_app(product.services, settings, product.readiness.report))
    server = _Server(config)
    # Whoever reads that the server is ready may connect at once, even before the loop takes the connection.
    listener.listen(config.backlog)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    address = listener.getsockname()
    log.info("server.ready", url=f"http://{settings.host}:{address[1]}/graphql")
    ending = asyncio.create_task(ended.wait())
    await asyncio.wait({serving, ending}, return_when=asyncio.FIRST_COMPLETED)
    ending.cancel()
    server.should_exit = True
    await serving
