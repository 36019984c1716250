"""The page's files as they are served, and what stands there when they have not been built."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from graphql import OperationDefinitionNode, OperationType, build_schema, parse, validate
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from infinibay.graphql.schema import COMMITTED
from infinibay.web.pages import Page
from tests.support.product import ROOT

SOURCES = ROOT / "infinibay" / "web" / "page"
PROGRAM = b"console.log(1)"


@pytest.fixture
async def files(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A page of one program and its licences."""
    (tmp_path / "index.html").write_text("<!doctype html><title>built</title>")
    for name in ("main-ABC.js", "main-ABC.js.LEGAL.txt"):
        (tmp_path / name).write_bytes(PROGRAM)
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(PROGRAM))
    (tmp_path / ".secret").write_text("not part of it")
    async with visited(tmp_path) as client:
        yield client


def visited(folder: Path) -> httpx.AsyncClient:
    """A browser before a page whose endpoint answers `posted`."""
    page = Page(PlainTextResponse("posted"), folder)
    app = Starlette(routes=[Route("/graphql", page), page.files()])
    transport = httpx.ASGITransport(app=app)
    return httpx.AsyncClient(transport=transport, base_url="http://test", headers={"accept": "text/html,*/*"})


async def test_a_file_is_compressed_and_kept_for_good(files: httpx.AsyncClient) -> None:
    answer = await files.get("/page/main-ABC.js")
    assert (answer.status_code, answer.content) == (200, PROGRAM)
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    again = await files.get("/page/main-ABC.js", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_a_file_is_plain_for_those_who_cannot_unpack_it(files: httpx.AsyncClient) -> None:
    answer = await files.get("/page/main-ABC.js.LEGAL.txt", headers={"accept-encoding": "identity"})
    assert (answer.status_code, answer.content) == (200, PROGRAM)
    assert "content-encoding" not in answer.headers
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("name", ["other.js", "index.html", ".secret", "main-ABC.js.gz", "..%2Fpages.py", ""])
async def test_nothing_else_is_served(files: httpx.AsyncClient, name: str) -> None:
    assert (await files.get(f"/page/{name}")).status_code == 404


async def test_the_page_may_load_its_own_files_only_and_is_framed_by_nobody(files: httpx.AsyncClient) -> None:
    answer = await files.get("/graphql")
    assert "built" in answer.text
    policy = answer.headers["content-security-policy"]
    assert {"default-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} <= set(policy.split("; "))
    assert "unsafe-eval" not in policy


async def test_all_but_browsers_go_on_to_the_endpoint(files: httpx.AsyncClient) -> None:
    assert (await files.post("/graphql")).text == "posted"
    assert (await files.get("/graphql", headers={"accept": "application/json"})).text == "posted"


async def test_without_a_bundle_the_page_names_the_command_that_builds_it(tmp_path: Path) -> None:
    async with visited(tmp_path / "static") as client:
        assert "scripts/prepare" in (await client.get("/graphql")).text
        assert (await client.get("/page/main-ABC.js")).status_code == 404
        assert (await client.post("/graphql")).text == "posted"


def _examples() -> Iterator[OperationDefinitionNode]:
    for node in parse((SOURCES / "examples.graphql").read_text()).definitions:
        assert isinstance(node, OperationDefinitionNode)
        yield node


def test_the_examples_fit_the_interface() -> None:
    text = (SOURCES / "examples.graphql").read_text()
    assert validate(build_schema(COMMITTED.read_text()), parse(text)) == []
    assert {example.operation for example in _examples()} == set(OperationType)


def test_each_example_has_a_title_and_a_sentence() -> None:
    blocks = (SOURCES / "examples.graphql").read_text().strip().split("\n\n# ")
    assert len(blocks) == len(list(_examples())) == 9
    for block in blocks:
        title, sentence, operation = block.split("\n")[:3]
        assert title
        assert sentence.startswith("# ")
        assert operation.startswith(("query ", "mutation ", "subscription "))
