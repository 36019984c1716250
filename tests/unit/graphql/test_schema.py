"""The committed schema against the code and against the interface that existing clients rely on."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from graphql import GraphQLObjectType, build_schema, get_named_type

from infinibay.graphql.areas import resolver_module
from infinibay.graphql.schema import COMMITTED, build
from tests.contract.check_contract import CONTRACT, check

CHECKER = Path(__file__).parents[2] / "contract" / "check_contract.py"
AREAS = ("auth-users", "machines", "departments", "templates", "isos", "applications")
# The rest of the area scripts runs them on machines, which is not available yet.
SCRIPTS = {"script", "scripts", "createScript", "updateScript", "deleteScript"}


def roots() -> list[GraphQLObjectType]:
    core = build()._schema
    return [root for root in (core.query_type, core.mutation_type, core.subscription_type) if root]


def test_the_committed_schema_is_the_code_s() -> None:
    assert COMMITTED.read_text() == build().as_str() + "\n", "write it with: python -m infinibay.graphql.schema"


def test_the_schema_conforms_to_the_contract() -> None:
    ran = subprocess.run(
        [sys.executable, str(CHECKER), str(COMMITTED), *AREAS], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout.strip()) == (0, "53 of 53 root fields conform; problems: none")


def test_the_fields_that_make_scripts_conform() -> None:
    problems = check(build_schema(COMMITTED.read_text()), {"scripts"})["scripts"]
    types = {
        get_named_type(field.type).name for root in roots() for name, field in root.fields.items() if name in SCRIPTS
    }
    makers = (
        "CreateScriptInput",
        "UpdateScriptInput",
        "ScriptFiltersInput",
        "ScriptInputType",
        "InputOptionType",
        "OS",
    )
    named = re.compile(rf"\b({'|'.join([*SCRIPTS, *types, *makers, 'ScriptFormat', 'ShellType'])})\b[:. ]")
    assert types == {"ScriptType", "ScriptResponseType"}
    assert [problem for problem in problems if named.search(problem)] == []


def test_every_mutation_takes_an_idempotency_key() -> None:
    mutation = build()._schema.mutation_type
    assert mutation is not None
    assert {name for name, field in mutation.fields.items() if "idempotencyKey" not in field.args} == set()
    assert {str(field.args["idempotencyKey"].type) for field in mutation.fields.values()} == {"String"}


def test_a_root_field_lies_in_the_folder_of_its_area() -> None:
    areas = {
        name: field["area"].replace("-", "_") for kind in CONTRACT["roots"].values() for name, field in kind.items()
    }
    files = {"Query": "queries", "Mutation": "mutations", "Subscription": "subscriptions"}
    misplaced = {
        name: module
        for root in roots()
        for name, field in root.fields.items()
        for module in [resolver_module(field)]
        if module.split(".")[3] != files[root.name] or areas.get(name, module.split(".")[2]) != module.split(".")[2]
    }
    assert misplaced == {}


def test_every_root_field_is_described() -> None:
    assert [name for root in roots() for name, field in root.fields.items() if not field.description] == []
