"""The list of 1,000 machines with 13 fields, split into database, GraphQL and encoding, against the bare query and
orjson; and what the cheapest query costs."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, cast

import httpx
import orjson
import psycopg
import strawberry

from infinibay.core.access import Principal, Role
from infinibay.db import machines, rows
from infinibay.db.client import Database, EngineOptions
from infinibay.graphql.context import Context
from infinibay.graphql.schema import build
from infinibay.web.responses import encoded
from scripts.benchmarks.figures import Row, Stat
from scripts.benchmarks.subject import Watched
from tests.support.many_machines import ManyMachines

_MACHINES = 1000
_ROUNDS = 20
_TRIVIAL = 2000
_TRIVIAL_MS = 0.1
_FACTOR = 40
_FIELDS = "id name internalName os status cpuCores ramGB diskSizeGB localIP userId templateId departmentId createdAt"
_LIST = f"{{ machines {{ {_FIELDS} }} }}"
_NESTED = (
    f"{{ machines {{ {_FIELDS} user {{ email }} department {{ name }} template {{ name }} operation {{ kind }} }} }}"
)
_BARE = """
SELECT id, name, internal_name, os, status, cpu_cores, ram_gb, disk_size_gb, local_ip, user_id, template_id,
       department_id, created_at FROM machines ORDER BY created_at DESC
"""


async def measure(product: Watched, user_id: str) -> list[Row]:
    """Adds the machines' rows, measures in turn, and removes them."""
    times = _Times()
    async with await psycopg.AsyncConnection.connect(product.database_url, autocommit=True) as connection:
        many = ManyMachines(connection)
        await many.grow(_MACHINES)
        await connection.execute("ANALYZE machines")
        try:
            with TemporaryDirectory() as run_dir:
                database = Database(product.database_url, engine=EngineOptions(Path(run_dir)))
                await database.connect()
                try:
                    await _rounds(times, product, _Parts(database, user_id), connection)
                finally:
                    await database.disconnect()
        finally:
            await many.remove()
    return _rows(times)


@dataclass
class _Times:
    """Milliseconds."""

    database: list[float] = field(default_factory=list)
    graphql: list[float] = field(default_factory=list)
    encoding: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    http: list[float] = field(default_factory=list)
    nested: list[float] = field(default_factory=list)
    trivial: list[float] = field(default_factory=list)


class _Parts:
    """The parts of a request in this process; the resolver is given rows that were read before."""

    def __init__(self, database: Database, user_id: str) -> None:
        self._database = database
        self._principal = Principal(user_id=user_id, role=Role.SUPER_ADMIN, session_id="")
        self._schema: strawberry.Schema = build()
        self._found: list[rows.Machine] = []

    async def read(self) -> None:
        self._found = await machines.list_visible(
            self._database, None, order="createdAt", descending=True, take=None, skip=0, relations=()
        )
        if len(self._found) < _MACHINES:
            raise RuntimeError("the rows are not there")

    async def execute(self, query: str) -> Any:
        listed = SimpleNamespace(list=self._list)
        services = SimpleNamespace(machines=listed, operations=None, installations=None, images=None)
        context = Context(services=cast("Any", services), principal=self._principal, graphic_host="localhost")
        result = await self._schema.execute(query, context_value=context)
        if result.errors:
            raise RuntimeError(str(result.errors))
        return result.data

    async def _list(self, *_: Any) -> list[rows.Machine]:
        return self._found


async def _rounds(times: _Times, product: Watched, parts: _Parts, connection: psycopg.AsyncConnection[Any]) -> None:
    for number in range(_ROUNDS + 1):
        one = _Times()
        await _timed(one.database, parts.read)
        data = await _timed(one.graphql, lambda: parts.execute(_LIST))
        began = time.perf_counter()
        encoded({"data": data})
        one.encoding.append((time.perf_counter() - began) * 1000)
        one.whole.append(one.database[0] + one.graphql[0] + one.encoding[0])
        await _timed(one.bare, lambda: _bare(connection))
        await _timed(one.http, lambda: _asked(product, _LIST))
        await _timed(one.nested, lambda: _asked(product, _NESTED))
        if number:  # The first round fills caches.
            for name, values in vars(one).items():
                getattr(times, name).extend(values)
    for _ in range(_TRIVIAL):
        await _timed(times.trivial, lambda: parts.execute("{ __typename }"))


async def _timed(times: list[float], call: Callable[[], Awaitable[Any]]) -> Any:
    began = time.perf_counter()
    result = await call()
    times.append((time.perf_counter() - began) * 1000)
    return result


async def _bare(connection: psycopg.AsyncConnection[Any]) -> None:
    cursor = await connection.execute(_BARE)
    names = [column.name for column in cursor.description or ()]
    orjson.dumps({"data": {"machines": [dict(zip(names, row, strict=True)) for row in await cursor.fetchall()]}})


async def _asked(product: Watched, query: str) -> None:
    """The round trip; the answer is left undecoded."""
    answer: httpx.Response = await product.request(query)
    if answer.status_code != 200 or b'"errors"' in answer.content[:100]:
        raise RuntimeError(json.dumps(answer.text[:300]))


def _rows(times: _Times) -> list[Row]:
    trivial, whole, bare = Stat.of(times.trivial), Stat.of(times.whole), Stat.of(times.bare)
    what = f"machines, {_MACHINES} x 13 fields"
    return [
        Row("{ __typename }, in process", "ms", trivial, None, f"< {_TRIVIAL_MS} ms", trivial.median < _TRIVIAL_MS),
        Row(f"{what}, in process", "ms", whole, bare, f"<= {_FACTOR} x", whole.median <= _FACTOR * bare.median),
        Row("of it database, typed rows", "ms", Stat.of(times.database)),
        Row("of it GraphQL", "ms", Stat.of(times.graphql)),
        Row("of it encoding", "ms", Stat.of(times.encoding)),
        Row(f"{what}, over HTTP", "ms", Stat.of(times.http)),
        Row("the same with 4 nested objects each", "ms", Stat.of(times.nested)),
    ]
