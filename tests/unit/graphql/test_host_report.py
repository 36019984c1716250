"""The host's report over HTTP: for administrators alone, with every part that is down."""

from __future__ import annotations

import pytest

from infinibay.core.access import Role
from tests.support.api import Api

REPORT = "{ hostReport { name state evidence remedy } }"


@pytest.mark.parametrize("role", [Role.ADMIN, Role.SUPER_ADMIN])
async def test_an_administrator_reads_the_report(api: Api, role: Role) -> None:
    report = {check["name"]: check for check in (await api.ask(REPORT, role=role))["hostReport"]}
    assert report["database"]["state"] == "OK"
    assert report["database"]["evidence"].startswith("PostgreSQL 18")
    assert report["database"]["remedy"] is None
    assert report["query engine"]["state"] == "OK"
    assert report["hypervisor"]["state"] == "FAILED"
    assert "libvirtd" in report["hypervisor"]["remedy"]
    assert report["tpm"]["evidence"] == "not known, see hypervisor"
    assert all(check["remedy"] for check in report.values() if check["state"] != "OK")


@pytest.mark.parametrize(("role", "code"), [(Role.USER, "FORBIDDEN"), (None, "UNAUTHENTICATED")])
async def test_nobody_else_learns_anything_of_the_host(api: Api, role: Role | None, code: str) -> None:
    answer = (await api.post(REPORT, role=role)).json()
    assert answer["errors"][0]["extensions"] == {"code": code}
    assert set(answer) == {"errors"} or answer["data"] is None
