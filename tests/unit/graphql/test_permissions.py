"""Every root field by every role, over HTTP."""

from __future__ import annotations

import pytest

from infinibay.core.access import Role, Rule
from infinibay.errors import InfinibayError
from infinibay.graphql.guard import protect
from infinibay.graphql.permissions import RULES
from tests.support.api import Api
from tests.support.interface import SCHEMA, document, root_fields

CALLERS: tuple[Role | None, ...] = (None, Role.USER, Role.ADMIN, Role.SUPER_ADMIN)

# What must hold, written out once more so that a slip in the table does not go unseen.
ADMIN_ONLY = {
    "hostReport",
    "checkSystemReadiness",
    "availableISOs",
    "allISOs",
    "checkISOStatus",
    "checkMultipleOSAvailability",
    "registerISO",
    "removeISO",
    "setDefaultISO",
    "validateISO",
    "calculateISOChecksum",
    "syncISOs",
    "image",
    "images",
    "addImage",
    "createImage",
    "removeImage",
    "cloneMachine",
    "planMachine",
    "createMachine",
    "retryMachine",
    "updateMachineHardware",
    "updateMachineName",
    "updateMachineUser",
    "moveMachine",
    "executeCommand",
    "createDepartment",
    "updateDepartmentName",
    "destroyDepartment",
    "user",
    "users",
    "createUser",
    "machineTemplate",
    "machineTemplates",
    "machineTemplateCategory",
    "machineTemplateCategories",
    "createMachineTemplate",
    "updateMachineTemplate",
    "destroyMachineTemplate",
    "createMachineTemplateCategory",
    "updateMachineTemplateCategory",
    "destroyMachineTemplateCategory",
    "createApplication",
    "updateApplication",
    "deleteApplication",
    "createScript",
    "updateScript",
    "deleteScript",
}
# These belong to somebody: a user may use them for what is the own.
ONE_S_OWN = {"Mutation.revokeSessions", "Mutation.updateUser"}
PUBLIC = {"login"}


def expected(full_name: str, role: Role | None) -> str | None:
    name = full_name.split(".")[1]
    if name in PUBLIC:
        return None
    if role is None:
        return "UNAUTHENTICATED"
    return "FORBIDDEN" if name in ADMIN_ONLY and role is Role.USER else None


@pytest.mark.parametrize("role", CALLERS, ids=lambda role: str(role or "anonymous"))
@pytest.mark.parametrize("full_name", root_fields("Query", "Mutation"))
async def test_each_root_field_admits_exactly_its_roles(api: Api, full_name: str, role: Role | None) -> None:
    query, variables = document(full_name)
    if full_name == "Mutation.logout" and role is not None:
        # The shared token must outlive this test, so a session of its own is ended.
        result = await api.services.auth.login(f"{role.value.lower()}@example.com", "correct horse")
        headers = {"authorization": result.token}
        answer = (await api.post(query, variables, None, headers)).json()
    else:
        answer = (await api.post(query, variables, role)).json()
    codes = {error["extensions"]["code"] for error in answer.get("errors", [])}
    refused = codes & {"UNAUTHENTICATED", "FORBIDDEN"}
    if full_name == "Mutation.login":
        assert codes == {"UNAUTHENTICATED"}
        assert answer["errors"][0]["message"] == "Invalid credentials"
    elif full_name in ONE_S_OWN and role is Role.USER:
        assert refused == {"FORBIDDEN"}  # The user of the document is somebody else.
    else:
        wanted = expected(full_name, role)
        assert refused == ({wanted} if wanted else set())
    assert "INTERNAL_SERVER_ERROR" not in codes


def test_the_table_names_exactly_the_root_fields() -> None:
    assert sorted(RULES) == sorted(root_fields())
    assert {name.split(".")[1] for name, rule in RULES.items() if rule is Rule.ADMIN} == ADMIN_ONLY
    assert {name.split(".")[1] for name, rule in RULES.items() if rule is Rule.PUBLIC} == PUBLIC


def test_a_field_without_a_rule_stops_the_start() -> None:
    rules = {name: rule for name, rule in RULES.items() if name != "Query.machine"}
    with pytest.raises(InfinibayError, match=r"look at: Query\.machine$"):
        protect(SCHEMA, rules)


def test_a_rule_without_a_field_stops_the_start() -> None:
    with pytest.raises(InfinibayError, match=r"look at: Query\.nothing$"):
        protect(SCHEMA, {**RULES, "Query.nothing": Rule.USER})
