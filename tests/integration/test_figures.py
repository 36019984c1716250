"""The figures for Prometheus: who gets them, how they move with what happens, and that nobody's texts are in them."""

from __future__ import annotations

import re
import stat
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import psycopg
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from infinibay import metrics
from infinibay.core.access import Role
from infinibay.db.client import Database
from infinibay.services.figures import FiguresService
from tests.support.databases import base_directory, fresh_database
from tests.support.figures import summed
from tests.support.product import ROOT
from tests.support.sockets import logged_in
from tests.support.wait import until
from tests.support.whole import Whole, machine_input, whole

MARK = "planted5e1d0c7a"
FAMILIES = {
    "infinibay_http_request_duration_seconds",
    "infinibay_graphql_field_duration_seconds",
    "infinibay_graphql_fields",
    "infinibay_graphql_errors",
    "infinibay_operation_duration_seconds",
    "infinibay_operation_step_duration_seconds",
    "infinibay_operations_open",
    "infinibay_operations_oldest_seconds",
    "infinibay_operations_ended_last_hour",
    "infinibay_libvirt_call_duration_seconds",
    "infinibay_libvirt_call_errors",
    "infinibay_libvirt_connected",
    "infinibay_thread_pool_calls",
    "infinibay_thread_pool_threads",
    "infinibay_event_loop_lag_seconds",
    "infinibay_websocket_connections",
    "infinibay_graphql_subscriptions",
    "infinibay_database_up",
    "prisma_pool_connections_busy",
    "prisma_datasource_queries_duration_histogram_ms",
    "process_resident_memory_bytes",
    "process_cpu_seconds",
}
# Codes, states, kinds, steps, names of calls, root fields and routes; never an id, an address or a sentence.
LABEL = re.compile(r"[A-Za-z][A-Za-z_.:-]{0,60}|/[a-z/-]*|[0-9.e+-]+|\+Inf")
OF_THE_LANGUAGE = {"python_info"}
FROM_OTHER_TESTS: set[str] = set()


async def _scrape(product: Whole, token: str | None = None) -> httpx.Response:
    kept = product.settings.metrics_token_file.read_text().strip()
    return await product.client.get("/metrics", headers={"authorization": f"Bearer {token or kept}"})


async def _families(product: Whole) -> dict[str, Metric]:
    answer = await _scrape(product)
    assert (answer.status_code, answer.headers["content-type"]) == (200, metrics.CONTENT_TYPE)
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


async def _value(product: Whole, name: str, **labels: str) -> float:
    return summed((await _families(product)).values(), name, **labels)


def _labels(text: str) -> set[str]:
    """The values of all labels."""
    families = [family for family in text_string_to_metric_families(text) if family.name not in OF_THE_LANGUAGE]
    return {value for family in families for sample in family.samples for value in sample.labels.values()}


@pytest.fixture(scope="module")
async def product(postgres_url: str) -> AsyncIterator[Whole]:
    """A product in which a creation has failed and a query was refused, so that each family has samples."""
    FROM_OTHER_TESTS.update(_labels(metrics.exposition([]).decode()))
    async with fresh_database(postgres_url) as url:
        with base_directory() as base:
            async with whole(url, base) as running:
                await running.join("owner", Role.USER)
                await running.machine(name=f"{MARK} machine")
                await running.post("{ machines { id } }")
                yield running


async def test_each_figure_is_documented(product: Whole) -> None:
    text = (ROOT / "docs" / "operators.md").read_text()
    shown = {sample.name for family in (await _families(product)).values() for sample in family.samples}
    names = {name.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum") for name in shown}
    assert [name for name in names if name.startswith("infinibay_") and f"`{name}`" not in text] == []


@pytest.mark.parametrize("authorization", [None, "Bearer", "Bearer wrong", "Basic QTpC", "Bearer \u00e4\u00f6"])
async def test_without_the_token_there_are_no_figures(product: Whole, authorization: str | None) -> None:
    headers = [(b"authorization", authorization.encode())] if authorization else []
    answer = await product.client.get("/metrics", headers=headers)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.json()["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}


async def test_no_user_s_token_opens_them(product: Whole) -> None:
    assert [(await _scrape(product, token)).status_code for token in product.tokens.values()] == [401, 401]


def test_the_token_is_its_owner_s_alone(product: Whole) -> None:
    file = product.settings.metrics_token_file
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(file.read_text().strip()) >= 40


async def test_prometheus_parses_them_all(product: Whole) -> None:
    families = await _families(product)
    assert families.keys() >= FAMILIES
    empty = {name for name in FAMILIES if not families[name].samples}
    # Nobody has subscribed yet, unless other tests have.
    assert empty <= {"infinibay_graphql_subscriptions"}
    samples = [(one.name, *sorted(one.labels.items())) for family in families.values() for one in family.samples]
    assert len(samples) == len(set(samples))


async def test_no_label_is_a_text_of_somebody(product: Whole) -> None:
    await product.post(f"query {MARK} {{ {MARK}: machines {{ id }} }}", {}, product.tokens["owner"])
    await product.post(f'{{ machine(id: "{MARK}") {{ id }} {MARK} }}', {}, product.tokens["owner"])
    await product.client.request("PROPFIND", f"/{MARK}/{uuid4()}")
    await product.client.get(f"/graphql/{MARK}?token={MARK}")
    text = (await _scrape(product)).text
    for hidden in (MARK, "example.com", "Person", "PROPFIND", *product.tokens.values(), *product.users.values()):
        assert hidden not in text
    labels = _labels(text)
    assert [one for one in labels - FROM_OTHER_TESTS if not LABEL.fullmatch(one)] == []
    assert await _value(product, "infinibay_http_request_duration_seconds_count", method="OTHER", route="unmatched") > 0


async def test_open_sockets_and_running_subscriptions_are_counted(product: Whole) -> None:
    async def look() -> list[float]:
        return [
            await _value(product, "infinibay_websocket_connections"),
            await _value(product, "infinibay_graphql_subscriptions", field="machineStatus"),
        ]

    async def have_ended() -> bool:
        return await look() == before

    before = await look()
    async with logged_in(product.url, product.tokens["first"]) as socket:
        stream = await socket.start("subscription { machineStatus { status } }")
        await stream.next()
        assert await look() == [value + 1 for value in before]
    await until(have_ended, 10, "the end of the subscription")


async def test_requests_and_root_fields_are_counted(product: Whole) -> None:
    async def look() -> list[float]:
        name = "infinibay_graphql_fields_total"
        return [
            await _value(product, "infinibay_http_request_duration_seconds_count", route="/graphql", status="200"),
            await _value(product, "infinibay_graphql_field_duration_seconds_count", field="machines"),
            await _value(product, name, operation="query", field="machines", outcome="ok"),
            await _value(product, name, operation="query", field="machines", outcome="UNAUTHENTICATED"),
            await _value(product, name, operation="mutation", field="powerOn", outcome="refused"),
            await _value(product, "infinibay_graphql_errors_total", code="UNAUTHENTICATED"),
            await _value(product, "infinibay_graphql_errors_total", code="GRAPHQL_VALIDATION_FAILED"),
        ]

    before = await look()
    await product.ask("{ machines { id } again: machines { id } }")
    await product.post("{ machines { id } }")
    await product.ask(f'mutation {{ powerOn(id: "{uuid4()}") {{ success }} }}')
    await product.post("{ machines { nothing } }")
    assert [now - then for now, then in zip(await look(), before, strict=True)] == [3, 3, 2, 1, 1, 1, 1]


async def test_operations_steps_and_calls_of_libvirt_are_counted(product: Whole) -> None:
    ended = {"kind": "create", "outcome": "failed"}

    async def look() -> list[float]:
        return [
            await _value(product, "infinibay_operation_duration_seconds_count", **ended),
            await _value(product, "infinibay_operation_step_duration_seconds_count", **ended),
            await _value(product, "infinibay_operations_ended_last_hour", **ended),
        ]

    before, calls = await look(), await _value(product, "infinibay_libvirt_call_duration_seconds_count")
    errors = await _value(product, "infinibay_libvirt_call_errors_total")
    await product.machine(**{**machine_input(), "name": f"{MARK} again"})
    assert [now - then for now, then in zip(await look(), before, strict=True)] == [1, 1, 1]
    assert await _value(product, "infinibay_libvirt_call_duration_seconds_count") > calls
    assert await _value(product, "infinibay_libvirt_call_errors_total") > errors
    assert await _value(product, "infinibay_libvirt_connected") >= 1
    assert await _value(product, "infinibay_thread_pool_calls", pool="libvirt-query") == 0


async def test_what_waits_is_counted_by_state_with_the_age_of_the_oldest(product: Whole) -> None:
    assert await _value(product, "infinibay_operations_open", state="queued") == 0
    await product.connection.execute(
        "INSERT INTO operations (kind, host_id, steps, enqueued_at, created_at)"
        " SELECT 'later', %s, 1, now(), now() - make_interval(mins => n) FROM generate_series(1, 3) n",
        [await _another_host(product)],
    )
    assert await _value(product, "infinibay_operations_open", state="queued") == 3
    assert 180 <= await _value(product, "infinibay_operations_oldest_seconds", state="queued") < 240
    assert await _value(product, "infinibay_operations_open", state="running") == 0


async def _another_host(product: Whole) -> str:
    """Whose operations nobody takes."""
    [(host,)] = await product.rows(
        "INSERT INTO hosts (name, libvirt_uri) VALUES (%s, 'test:///default') RETURNING id", f"host {uuid4()}"
    )
    return str(host)


async def test_without_the_database_the_process_s_own_figures_remain(
    database: Database, database_url: str, postgres_url: str
) -> None:
    figures = FiguresService(database, "token of the figures")
    assert b"\ninfinibay_database_up 1.0\n" in await figures.text()
    name = database_url.rpartition("/")[2].partition("?")[0]
    async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as connection:
        await connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'.encode())
        await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
    text = await figures.text()
    assert b"\ninfinibay_database_up 0.0\n" in text
    assert b"infinibay_http_request_duration_seconds" in text
    assert b"prisma_" not in text
