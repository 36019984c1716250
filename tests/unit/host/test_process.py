from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from infinibay.errors import HostFailure
from infinibay.host import process
from infinibay.host.process import Account, Finished
from tests.support.wait import until


async def test_outputs_and_code() -> None:
    ended = await process.run(["sh", "-c", "echo out; echo err >&2; exit 7"], seconds=10)
    assert ended == Finished(7, "out\n", "err\n")
    assert not ended.timed_out


async def test_output_beyond_the_limit_is_dropped_and_the_program_ends() -> None:
    ended = await process.run(["sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' x"], seconds=10, output_limit=10)
    assert ended == Finished(0, "x" * 10, "")


async def test_at_the_deadline_the_children_end_too(tmp_path: Path) -> None:
    ended = await process.run(["sh", "-c", f"sleep 600 & echo $! > {tmp_path}/child; echo begun; wait"], seconds=0.5)
    assert ended == Finished(None, "begun\n", "")
    assert ended.timed_out
    await until(lambda: _has_ended(int((tmp_path / "child").read_text())))


async def test_a_cancelled_caller_leaves_nothing_behind(tmp_path: Path) -> None:
    task = asyncio.create_task(process.run(["sh", "-c", f"echo $$ > {tmp_path}/pid; exec sleep 600"], seconds=600))
    pid = int(await until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert _has_ended(pid)


async def test_a_missing_program_is_named() -> None:
    with pytest.raises(HostFailure) as raised:
        await process.run(["no-such-program"], seconds=1)
    assert raised.value.message == "The program no-such-program is not installed."


async def test_another_account() -> None:
    if os.geteuid() == 0:
        ended = await process.run(["id", "-u"], seconds=10, account=Account(65534, 65534))
        assert ended == Finished(0, "65534\n", "")
    else:
        with pytest.raises(HostFailure):
            await process.run(["id", "-u"], seconds=10, account=Account(0, 0))


def _has_ended(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"
