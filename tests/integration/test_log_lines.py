"""The log of the whole product: one line for each request, the request's id on every line inside it, and the ids of
operation and machine on every line of their work; nothing that a client sent."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from infinibay.core.access import Role
from tests.support.databases import base_directory, fresh_database
from tests.support.wait import until
from tests.support.whole import Whole, machine_input, whole

MARK = "planted5e1d0c7a"
CREATE = "mutation ($input: CreateMachineInputType!) { createMachine(input: $input) { id operation { id } } }"


@dataclass
class Stage:
    product: Whole
    file: Path

    def lines(self, **wanted: Any) -> list[dict[str, Any]]:
        """The lines with these values so far."""
        lines = [json.loads(line) for line in self.file.read_text().splitlines()]
        return [line for line in lines if wanted.items() <= line.items()]


@pytest.fixture(scope="module")
async def stage(postgres_url: str) -> AsyncIterator[Stage]:
    async with fresh_database(postgres_url) as url:
        with base_directory() as base:
            async with whole(url, base) as product:
                await product.join("owner", Role.USER)
                yield Stage(product, base / "server.log")


async def test_a_request_is_one_line_with_its_route_fields_and_user(stage: Stage) -> None:
    query = f"query {MARK} {{ {MARK}: machines {{ id }} b: machines {{ id }} departments {{ id }} __typename }}"
    answer = await stage.product.post(query, {MARK: MARK}, stage.product.tokens["owner"])
    [line] = stage.lines(request_id=answer.headers["x-request-id"])
    assert line.pop("milliseconds") > 0
    del line["timestamp"]
    assert line == {
        "event": "http.request",
        "level": "info",
        "method": "POST",
        "route": "/graphql",
        "status": 200,
        "fields": ["departments", "machines"],
        "user_id": stage.product.users["owner"],
        "request_id": answer.headers["x-request-id"],
    }


async def test_an_anonymous_request_has_no_user(stage: Stage) -> None:
    answer = await stage.product.post("{ machines { id } }")
    [line] = stage.lines(request_id=answer.headers["x-request-id"])
    assert (line["fields"], line["user_id"], line["status"]) == (["machines"], None, 200)


@pytest.mark.parametrize(
    ("method", "path", "shown", "route", "status"),
    [
        ("GET", "/health/live", "GET", "/health/live", 200),
        ("GET", "/metrics", "GET", "/metrics", 401),
        ("DELETE", f"/health/live?{MARK}", "DELETE", "/health/live", 405),
        ("GET", f"/{MARK}", "GET", "unmatched", 404),
        (MARK.upper(), "/graphql", "OTHER", "/graphql", 405),
    ],
)
async def test_other_requests_show_their_route_alone(
    stage: Stage, method: str, path: str, shown: str, route: str, status: int
) -> None:
    answer = await stage.product.client.request(method, path, headers={"x-request-id": f"req-{uuid4()}"})
    [line] = stage.lines(request_id=answer.headers["x-request-id"])
    assert (line["method"], line["route"], line["status"], answer.status_code) == (shown, route, status, status)
    assert "fields" not in line


async def test_each_line_of_an_operation_has_its_ids_and_the_request_s_line_leads_to_it(stage: Stage) -> None:
    wanted = {**machine_input(), "name": f"{MARK} machine", "password": f"{MARK} password"}
    answer = await stage.product.post(CREATE, {"input": wanted}, stage.product.tokens["first"])
    made = answer.json()["data"]["createMachine"]
    await stage.product.settled()
    ids = {"operation_id": made["operation"]["id"], "machine_id": made["id"]}
    [ended] = await until(lambda: stage.lines(event="operation.ended", **ids), 5, "the line of the end")
    assert (ended["kind"], ended["outcome"]) == ("create", "failed")
    about = [line for line in stage.lines() if any(one in json.dumps(line) for one in ids.values())]
    assert {line["event"] for line in about} >= {"operation.enqueued", "operation.step_failed", "operation.ended"}
    assert [line for line in about if not ids.items() <= line.items()] == []
    [enqueued] = stage.lines(event="operation.enqueued", **ids)
    assert enqueued["request_id"] == answer.headers["x-request-id"]
    assert [line for line in stage.lines(event="operation.step_failed", **ids) if "request_id" in line] == []


async def test_an_error_of_ours_is_logged_under_its_request(stage: Stage) -> None:
    await stage.product.connection.execute("ALTER TABLE departments RENAME TO departments_away")
    try:
        answer = await stage.product.post("{ departments { id } }", token=stage.product.tokens["first"])
    finally:
        await stage.product.connection.execute("ALTER TABLE departments_away RENAME TO departments")
    [error] = answer.json()["errors"]
    [line] = stage.lines(reference=error["extensions"]["reference"])
    assert (line["level"], line["request_id"]) == ("error", answer.headers["x-request-id"])


def test_nothing_that_a_client_sent_is_in_the_log(stage: Stage) -> None:
    text = stage.file.read_text()
    assert [hidden for hidden in (MARK, MARK.upper(), *stage.product.tokens.values()) if hidden in text] == []
