"""A worker in a process of its own, whose steps leave files, and which can be killed at each border of a step."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Literal

from infinibay.errors import WrongState
from infinibay.operations.api import Failure, OperationKind, Step, StepContext
from infinibay.operations.engine import OperationEngine
from tests.integration.operations.support import connected, pumped
from tests.support.wait import until

STEPS = ("a", "b", "c")
# Children are forked from a server that has loaded everything already.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])


@dataclass(frozen=True)
class Traces:
    """What happened, in files: a journal per operation, and an effect per step that is done and not undone."""

    directory: Path

    def append(self, ctx: StepContext, line: str) -> None:
        with (self.directory / f"{ctx.operation_id}.journal").open("a") as journal:
            journal.write(f"{os.getpid()} {line}\n")
        with (self.directory / f"{ctx.machine_id}.machine").open("a") as journal:
            journal.write(f"{ctx.operation_id} {line}\n")

    def lines(self, operation_id: str) -> list[str]:
        return [line for _, line in self.entries(operation_id)]

    def entries(self, operation_id: str) -> list[tuple[int, str]]:
        """Process id and line of each entry."""
        path = self.directory / f"{operation_id}.journal"
        if not path.exists():
            return []
        return [(int(pid), rest) for pid, rest in (line.split(" ", 1) for line in path.read_text().splitlines())]

    def of_machine(self, machine_id: str) -> list[tuple[str, ...]]:
        """Operation id and line of each entry, in order."""
        text = (self.directory / f"{machine_id}.machine").read_text()
        return [tuple(line.split(" ", 1)) for line in text.splitlines()]

    def effect(self, operation_id: str, step: str) -> Path:
        return self.directory / f"{operation_id}.{step}.effect"

    def effects(self, operation_id: str) -> list[str]:
        return sorted(path.name.split(".")[1] for path in self.directory.glob(f"{operation_id}.*.effect"))

    def open_gate(self) -> None:
        (self.directory / "open").touch()

    def gate_is_open(self) -> bool:
        return (self.directory / "open").exists()


def working_kind(name: str, traces: Traces) -> OperationKind:
    """Three steps. The input says which one fails (`fail`) and which one waits for the gate (`hold`)."""

    def step(step_name: str) -> Step:
        async def run(ctx: StepContext) -> None:
            traces.append(ctx, step_name)
            if ctx.input.get("hold") == step_name:
                await until(traces.gate_is_open, 60, "the gate's opening")
            traces.effect(ctx.operation_id, step_name).touch()
            if ctx.input.get("fail") == step_name:
                raise WrongState("It failed.")
            traces.append(ctx, f"{step_name} done")

        async def undo(ctx: StepContext) -> None:
            traces.append(ctx, f"undo {step_name}")
            traces.effect(ctx.operation_id, step_name).unlink(missing_ok=True)

        return Step(step_name, run, undo)

    async def ended(ctx: StepContext, failure: Failure | None) -> None:
        traces.append(ctx, "ended" if failure is None else f"ended {failure.code}")

    return OperationKind(name, tuple(step(name) for name in STEPS), ended)


@dataclass(frozen=True)
class Worker:
    """What a child needs to know. `fault` is (kind, step, phase), where it kills itself."""

    database_url: str
    host_id: str
    directory: str
    run_dir: str
    kinds: tuple[str, ...] = ("work",)
    fault: tuple[str, str, str] | None = None
    options: dict[str, Any] = field(default_factory=dict)

    async def reached(self, kind: str, step: str, phase: Literal["before", "after"]) -> None:
        if (kind, step, phase) == self.fault:
            os.kill(os.getpid(), signal.SIGKILL)

    def main(self, ready: str) -> None:
        # Ctrl-C belongs to the test run.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        asyncio.run(self._serve(Path(ready).touch))

    async def _serve(self, ready: Callable[[], None]) -> None:
        stopping = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
        traces = Traces(Path(self.directory))
        async with (
            connected(self.database_url, Path(self.run_dir)) as database,
            pumped(database, self.database_url) as feed,
        ):
            engine = OperationEngine(
                {name: working_kind(name, traces) for name in self.kinds},
                database,
                self.database_url,
                feed,
                **{"role": "worker", "budgets": {}, "host_id": self.host_id, "faults": self, **self.options},
            )
            await engine.start()
            ready()
            await stopping.wait()
            await engine.stop()


class Children:
    """The children of one test, whose traces lie in `directory`. What those that are killed leave lies in `run_dir`."""

    def __init__(self, database_url: str, host_id: str, directory: Path, run_dir: Path) -> None:
        self._database_url = database_url
        self._host_id = host_id
        self._directory = directory
        self._run_dir = run_dir
        self._children: list[BaseProcess] = []

    async def start(
        self,
        *,
        kinds: Iterable[str] = ("work",),
        fault: tuple[str, str, str] | None = None,
        wait: bool = True,
        **options: Any,
    ) -> BaseProcess:
        """Starts one, and unless told otherwise waits until it works."""
        places = (str(self._directory), str(self._run_dir))
        worker = Worker(self._database_url, self._host_id, *places, tuple(kinds), fault, options)
        ready = self._directory / f"ready-{len(self._children)}"
        child = _CONTEXT.Process(target=worker.main, args=(str(ready),), daemon=True)
        child.start()
        self._children.append(child)
        if wait:
            await until(lambda: ready.exists() or child.exitcode is not None, 60, "the worker's start")
            assert child.exitcode in {None, -signal.SIGKILL}
        return child

    async def kill(self, child: BaseProcess) -> float:
        """`kill -9`; the moment, on the monotonic clock."""
        child.kill()
        moment = time.monotonic()
        await exit_code(child)
        return moment

    async def close(self) -> None:
        for child in self._children:
            child.kill()
            await exit_code(child)


async def exit_code(child: BaseProcess) -> int | None:
    await until(lambda: child.exitcode is not None, 60, "the worker's end")
    return child.exitcode
