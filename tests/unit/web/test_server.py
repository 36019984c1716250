"""The socket that the server listens on."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from infinibay.web.server import _listen
from tests.support.databases import settings_below


async def test_answers_are_sent_without_waiting_for_more(tmp_path: Path) -> None:
    listener = _listen(settings_below(tmp_path, PORT="0"))
    accepted: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def connected(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    async with await asyncio.start_server(connected, sock=listener):
        _, writer = await asyncio.open_connection(*listener.getsockname())
        assert await accepted == 1
        writer.close()
        await writer.wait_closed()
