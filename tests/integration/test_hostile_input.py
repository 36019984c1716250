"""Hostile texts and numbers through every input of every root field, on the whole product.

Each answer is a clear error with a code of the one list that names its field, or an exact round trip; never a failure
of the server, and never half an effect.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from graphql import get_named_type

from infinibay.core.access import Role
from tests.support.databases import base_directory, fresh_database
from tests.support.ground import Ground
from tests.support.interface import document, field_of, leaves, literal_document, places
from tests.support.scale import count
from tests.support.whole import whole

# The whole list of the interface, written out once more.
CODES = {
    "UNAUTHENTICATED",
    "FORBIDDEN",
    "BAD_USER_INPUT",
    "NOT_FOUND",
    "CONFLICT",
    "UNAVAILABLE",
    "UNSUPPORTED_BY_HYPERVISOR",
    "NOT_IMPLEMENTED",
    "TOO_MANY_REQUESTS",
    "GRAPHQL_PARSE_FAILED",
    "GRAPHQL_VALIDATION_FAILED",
    "OPERATION_RESOLUTION_FAILURE",
    "BAD_REQUEST",
}
TEXTS = (
    "",
    "   ",
    " padded ",
    "'\"`\u00b4\u2019\u201c \\ \\\\ \\u0000 \\x00 \\",
    "<b a='1'>&amp; &#0; &lt;</b>]]><!-- --><?pi?>",
    '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>&e;',
    "'; DROP TABLE machines; -- \" OR 1=1 /*",
    "$1 %s %d %n {0} {{7*7}} ${HOME} #{x}",
    "$(rm -rf /) `reboot` | & ; > /tmp/x",
    "../../etc/passwd",
    "..\\..\\windows\\system32\\config",
    "/dev/null",
    "file%00name %2e%2e%2f %",
    "_%_",
    "🙂👩‍👩‍👧‍👦 é e\u0301 漢字 ﷽",
    "\u202eoverride\u202c \u200f\u200b\u2066\ufeff",
    "line\nbreak\r\ntab\t\x1b[31m\x7f",
    "\u0085\u2028\u2029",
    "\ufffe\uffff\U0001fffe",
    "null",
    "-1",
    "NaN",
    "a\0b",
    "\ud800",
    "\udfff and \ud83d",
    "x" * 100,
    "🙂" * 101,
    "x" * 10_000,
    "y" * 20_001,
)
# The same tricks in few texts, for places where a text is looked up or compared and not kept.
GATHERED = (
    "",
    " \"O'B\" \\ <b a='1'>&amp;]]></b> '; DROP TABLE machines; -- $1 %s {0} $(rm -rf /) ../../etc/passwd ",
    '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>&e; %00 \u202e\u200f\ufeff \U0001f642 e\u0301',
    "line\nbreak\r\n\t\x1b[31m\x7f\u0085\u2028\ufffe\uffff",
    "a\0b \udfff",
    "x" * 10_000,
    "y" * 20_001,
)
_KEPT = {"name", "search", "description", "firstName"}
_READ = {
    "Machine": "machine",
    "DepartmentType": "department",
    "UserType": "user",
    "MachineTemplateType": "machineTemplate",
    "MachineTemplateCategoryType": "machineTemplateCategory",
    "ApplicationType": "application",
    "Image": "image",
}
TEXT_PLACES = places({"String", "ID", "JSONObject", "BigInt", "DateTimeISO"})
NUMBER_PLACES = places({"Int", "Float", "BigInt"})
NUMBERS: tuple[Any, ...] = (
    0,
    -1,
    2**31 - 1,
    2**31,
    -(2**31) - 1,
    2**53,
    2**53 + 1,
    2**63,
    10**40,
    1.5,
    True,
    "1",
    "",
    [],
    {},
)
LITERALS = ("NaN", "Infinity", "1e400", "-1e400", "01", "0x10", "-0", "2147483648", "9007199254740993", "1.5", '"5"')
_MARK = 1_234_567


@pytest.fixture(scope="module")
async def ground(postgres_url: str) -> AsyncIterator[Ground]:
    """The running product with something of each kind."""
    with base_directory() as base:
        async with fresh_database(postgres_url) as url, whole(url, base) as product:
            yield await Ground.lay(product)


def _segments(path: str) -> list[str]:
    """The names along a path, without `input`, positions and marks."""
    names = path.replace("[]", "").replace("{}", "").removeprefix("input.").split(".")
    return [name for name in names if not name.isdecimal()]


def _names(error: dict[str, Any], path: str) -> bool:
    """Whether an error says which field it concerns."""
    wanted = _segments(path)
    fields = [problem["field"] for problem in error["extensions"].get("fields", [])]
    # A password that differs from its confirmation is told of there.
    named = [_segments(field) for field in (*fields, *(one.removesuffix("Confirmation") for one in fields))]
    shorter = [min(len(one), len(wanted)) for one in named]
    return any(one[:length] == wanted[:length] for one, length in zip(named, shorter, strict=True))


def complaints(answer: httpx.Response, path: str) -> list[str]:
    """What is wrong with an answer whose request had something strange at the path."""
    body = answer.json()
    errors = body.get("errors", [])
    found = [] if answer.status_code == (200 if "data" in body else 400) else [f"status {answer.status_code}"]
    for error in errors:
        code = error["extensions"]["code"]
        if code not in CODES:
            found.append(f"{code}: {error['message']}")
        if code == "BAD_USER_INPUT" and answer.status_code == 200 and not _names(error, path):
            found.append(f"does not name {path}: {error}")
        if answer.status_code == 400 and code == "BAD_USER_INPUT" and _segments(path)[-1] not in error["message"]:
            found.append(f"does not name {path}: {error}")
    return found


async def _sent(ground: Ground, full_name: str, path: str, value: Any) -> httpx.Response:
    selection = " ".join(["__typename", *leaves(full_name)])
    query, variables = document(full_name, path, value, known=ground.known, selection=selection)
    token = ground.product.tokens["first"]
    if full_name == "Mutation.logout":
        await ground.product.join("leaving", Role.USER)
        token = ground.product.tokens["leaving"]
    return await ground.product.post(query, variables, token)


async def _judged(ground: Ground, full_name: str, path: str, value: Any) -> list[str]:
    """Sends one value; what is wrong with the answer and its effect."""
    await ground.restore()
    before = await ground.product.state()
    answer = await _sent(ground, full_name, path, value)
    found = complaints(answer, path)
    if answer.json().get("errors"):
        after = await ground.product.state()
        changed = sorted(table for table in after if after[table] != before[table])
        if changed and full_name != "Mutation.logout":
            found.append(f"changed {changed} in spite of its error")
    elif isinstance(value, str):
        found += await _unlike(ground, full_name, path, value, answer)
    return [f"{value!r:.60}: {one}" for one in found]


async def _unlike(ground: Ground, full_name: str, path: str, text: str, answer: httpx.Response) -> list[str]:
    """Where an accepted text comes back other than it was sent: at once, or when it is read again."""
    await ground.product.settled()
    name = _segments(path)[-1]
    result = answer.json()["data"][full_name.split(".")[1]]
    if not full_name.startswith("Mutation") or name == "id" or name not in leaves(full_name) or not text.strip():
        return []
    read = _READ[get_named_type(field_of(full_name).type).name]
    again = await ground.product.ask(f"query ($id: String!) {{ {read}(id: $id) {{ {name} }} }}", {"id": result["id"]})
    wanted = text.strip()
    return [f"came back as {one!r:.60}" for one in (result[name], again[read][name]) if one != wanted]


def test_every_kind_of_place_is_found() -> None:
    assert len(TEXT_PLACES) > 70
    assert ("Mutation.createMachine", "input.applications[].parameters{}") in TEXT_PLACES
    assert ("Query.machineEvents", "afterSeq") in TEXT_PLACES
    assert ("Query.machinesPage", "filter.status[]") in TEXT_PLACES
    assert ("Query.machines", "pagination.skip") in NUMBER_PLACES


@pytest.mark.parametrize(("full_name", "path"), TEXT_PLACES)
async def test_a_hostile_text_is_refused_clearly_or_comes_back_exactly(
    ground: Ground, full_name: str, path: str
) -> None:
    texts = TEXTS[:: count(3, 1)] if _segments(path)[-1] in _KEPT else GATHERED
    assert [one for text in texts for one in await _judged(ground, full_name, path, text)] == []


@pytest.mark.parametrize(("full_name", "path"), NUMBER_PLACES)
async def test_a_hostile_number_is_refused_clearly(ground: Ground, full_name: str, path: str) -> None:
    found = [one for number in NUMBERS for one in await _judged(ground, full_name, path, number)]
    _, variables = document(full_name, path, _MARK, known=ground.known)
    text = literal_document(full_name, variables)
    for literal in LITERALS:
        answer = await ground.product.post(text.replace(str(_MARK), literal), token=ground.product.tokens["first"])
        body = answer.json()
        codes = {error["extensions"]["code"] for error in body.get("errors", [])}
        if codes - CODES or answer.status_code != (200 if "data" in body else 400):
            found.append(f"{literal}: {answer.status_code} {codes}")
    assert found == []


@pytest.mark.parametrize("text", ["%", "_", "\\", "\\%", "%%", "*", "'", "[a-z]", "\u0130"])
async def test_a_search_takes_its_text_as_it_is(ground: Ground, text: str) -> None:
    await ground.product.machine(name=f"plain {uuid4()} without e")
    marked = await ground.product.machine(name=f"marked {uuid4()} {text} end")
    query = "query ($text: String) { machinesPage(filter: { search: $text }) { items { id } } }"
    found = (await ground.product.ask(query, {"text": f" {text} e"}))["machinesPage"]["items"]
    assert found == [{"id": marked["id"]}]
