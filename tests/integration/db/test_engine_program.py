"""The engine's executable in the place of the native one."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from infinibay.db.engine.paths import EXECUTABLE, node_binary
from tests.integration.db.conftest import SCHEMA, STOP
from tests.integration.db.engine_run import await_status, engine
from tests.support.ports import free_port
from tests.support.wait import until, until_sync

HASH = "393aa359c9ad4a4bb28630fb5613f9c281cde053"


def test_version() -> None:
    shown = subprocess.run(
        [EXECUTABLE, "--version"], capture_output=True, text=True, check=True, env={"PATH": os.defpath}
    )
    assert shown.stdout == f"query-engine {HASH}\n"


def test_http_as_the_native_engine(engine_url: str, tmp_path: Path) -> None:
    port = free_port()
    with engine(engine_url, "-p", str(port), "--enable-metrics", "--enable-raw-queries", cwd=tmp_path) as process:
        await_status(port)
        base = f"http://127.0.0.1:{port}"
        body = {"query": 'query { result: queryRaw(query: "SELECT 1 AS one" parameters: "[]") }', "variables": {}}
        with httpx.Client(trust_env=False) as http:
            answer = http.post(base, json=body)
            assert answer.json() == {"data": {"result": {"columns": ["one"], "types": ["int"], "rows": [[1]]}}}
            assert http.get(f"{base}/nothing").status_code == 404
            assert http.post(base, content="no json").status_code == 200
            started = http.post(f"{base}/transaction/start", json={"timeout": 5000, "max_wait": 2000}).json()["id"]
            inside = http.post(base, json=body, headers={"X-transaction-id": started}).json()
            assert inside["data"]["result"]["rows"] == [[1]]
            assert http.post(f"{base}/transaction/{started}/commit").json() == {}
        listening = [c.laddr.ip for c in psutil.Process(process.pid).net_connections("tcp") if c.status == "LISTEN"]
        assert listening == ["127.0.0.1"]
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert process.stdout is not None
        assert process.stdout.read() == b""


def test_isolation_level(engine_url: str) -> None:
    port = free_port()
    with (
        engine(engine_url, "-p", str(port)),
        httpx.Client(trust_env=False, base_url=f"http://127.0.0.1:{port}") as http,
    ):
        await_status(port)
        start = {"timeout": 5000, "max_wait": 2000, "isolation_level": "Serializable"}
        identity = http.post("/transaction/start", json=start).json()["id"]
        body = {"query": 'query { result: queryRaw(query: "SHOW transaction_isolation" parameters: "[]") }'}
        rows = http.post("/", json=body, headers={"X-transaction-id": identity}).json()["data"]["result"]["rows"]
        assert rows == [["serializable"]]
        assert http.post(f"/transaction/{identity}/rollback").json() == {}


def test_running_request_is_finished_before_the_end(engine_url: str) -> None:
    port = free_port()
    with engine(engine_url, "-p", str(port)) as process:
        await_status(port)
        body = {"query": 'query { result: queryRaw(query: "SELECT pg_sleep(0.5)::text AS t" parameters: "[]") }'}
        with ThreadPoolExecutor(1) as thread:
            asking = thread.submit(httpx.post, f"http://127.0.0.1:{port}/", json=body, trust_env=False)
            counting = f"http://127.0.0.1:{port}/metrics"
            until_sync(lambda: httpx.get(counting, trust_env=False).json()["gauges"][0]["value"] == 1)
            process.send_signal(signal.SIGINT)
            assert asking.result(10).json()["data"]["result"]["rows"] == [[""]]
        assert process.wait(10) == 0


def test_socket_is_for_its_owner_only(engine_url: str, tmp_path: Path) -> None:
    path = tmp_path / "engine.sock"
    with engine(engine_url, "--socket", str(path)) as process:
        until_sync(path.exists, 15)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert psutil.Process(process.pid).net_connections("tcp") == []


def test_ends_with_its_parent(engine_url: str, tmp_path: Path) -> None:
    path = tmp_path / "engine.sock"
    environment = {**os.environ, "PRISMA_DML_PATH": str(SCHEMA), "ENGINE_TEST_DATABASE": engine_url}
    with subprocess.Popen(["sh", "-c", f'"{EXECUTABLE}" --socket "{path}" & wait'], env=environment) as parent:
        until_sync(path.exists, 15)
        [child] = psutil.Process(parent.pid).children()
        parent.kill()
        parent.wait()
    until_sync(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 5, "the engine's end")


def test_ends_when_its_parent_died_before_it_began(engine_url: str, tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as dead:
        dead.wait()
    path = tmp_path / "engine.sock"
    environment = {**os.environ, "PRISMA_DML_PATH": str(SCHEMA), "ENGINE_TEST_DATABASE": engine_url}
    environment["INFINIBAY_ENGINE_PARENT"] = str(dead.pid)
    with subprocess.Popen([str(EXECUTABLE), "--socket", str(path)], env=environment) as orphan:
        assert orphan.wait(15) == 0


def test_survives_its_own_panic(engine_url: str) -> None:
    program = Path(__file__).with_name("panic.mjs")
    ran = subprocess.run(
        [node_binary(), program, SCHEMA],
        env={**os.environ, "ENGINE_TEST_DATABASE": engine_url},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ran.stderr == ""
    assert json.loads(ran.stdout) == {
        "panicked": "P1017",
        "open": "P1017",
        "transaction": "P2028",
        "later": [[0]],
        "busy": 1,  # The statement of the open request still runs.
    }


async def test_lost_connections_do_not_end_it(client: Any, client_package: Any, postgres_url: str) -> None:
    pid = client._engine.process.pid
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with pytest.raises(client_package.errors.DataError) as raised:
        async with client.tx() as tx:
            victim = (await tx.query_first("SELECT pg_backend_pid() AS pid"))["pid"]
            await client.query_raw("SELECT pg_terminate_backend($1::int)", victim)
            await tx.query_raw("SELECT 1")
    assert raised.value.code == "P1017"
    await client.query_raw(f"SELECT pg_terminate_backend(pid) {others}")
    running = asyncio.ensure_future(client.query_raw("SELECT pg_sleep(30)::text"))
    sleeping = f"SELECT pid {others} AND query LIKE 'SELECT pg_sleep(30)%'"
    [row] = await until(lambda: client.query_raw(sleeping))
    await client.query_raw("SELECT pg_terminate_backend($1::int)", row["pid"])
    with pytest.raises(client_package.errors.DataError) as stopped:
        await running
    assert stopped.value.code == "P1017"
    assert await client.query_raw("SELECT 1 AS one") == [{"one": 1}]
    assert psutil.pid_exists(pid)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("postgresql://postgres@127.0.0.1:1/x", "P1001"),
        ("postgresql://postgres@localhost/x?host=/nonexistent", "P1001"),
        ("{engine}_missing", "P1003"),
    ],
)
async def test_no_database(client_package: Any, engine_url: str, url: str, code: str) -> None:
    base, _, parameters = engine_url.partition("?")
    given = url.replace("{engine}", base) + (f"?{parameters}" if "{engine}" in url else "")
    client = client_package.Prisma(datasource={"url": given}, use_dotenv=False)
    await client.connect()
    try:
        for call in (client.query_raw("SELECT 1"), client.tx().start()):
            with pytest.raises(client_package.errors.DataError) as raised:
                await call
            assert raised.value.code == code
    finally:
        await client.disconnect(timeout=STOP)


async def test_parameters_of_the_url(client_package: Any, engine_url: str) -> None:
    """The driver knows none of Prisma's parameters."""
    joint = "&" if "?" in engine_url else "?"
    parameters = (
        "schema=other%20one&connection_limit=1&pool_timeout=1&application_name=mine&options=-c%20work_mem%3D5MB"
    )
    url = f"{engine_url}{joint}{parameters}"
    client = client_package.Prisma(datasource={"url": url}, use_dotenv=False)
    await client.connect()
    try:
        shown = await client.query_first(
            "SELECT current_setting('search_path') AS path, current_setting('application_name') AS name,"
            " current_setting('TimeZone') AS zone, current_setting('work_mem') AS memory"
        )
        assert shown == {"path": '"other one"', "name": "mine", "zone": "UTC", "memory": "5MB"}
        await client.execute_raw('CREATE SCHEMA "other one"')
        await client.execute_raw('CREATE TABLE "Tag" (id serial PRIMARY KEY, name text UNIQUE)')
        assert (await client.tag.create({"name": "there"})).name == "there"
        async with client.tx(timeout=STOP) as tx:
            with pytest.raises(client_package.errors.DataError) as raised:
                await client.tag.count()
            assert raised.value.code == "P2024"
            await tx.execute_raw('DROP SCHEMA "other one" CASCADE')
    finally:
        await client.disconnect(timeout=STOP)
