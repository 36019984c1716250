"""Names of libvirt objects: the same for the same id, different for different ids, and short enough for libvirt."""

from __future__ import annotations

import re
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infinibay.core import naming

MACHINE = "0b9f6f0e-6a53-4d0f-9d0c-3f2a1d5e7c11"


def test_names_of_a_machine() -> None:
    assert naming.domain_name(MACHINE) == MACHINE
    assert naming.main_volume(MACHINE) == f"{MACHINE}-main.qcow2"
    assert naming.machine_filter(MACHINE) == "ibay-vm-0b9f6f0e6a534d0f9d0c3f2a1d5e7c11"
    assert naming.department_filter(MACHINE) == "ibay-department-0b9f6f0e6a534d0f9d0c3f2a1d5e7c11"
    assert naming.mac_address(MACHINE) == naming.mac_address(MACHINE, 0) == "52:54:00:0d:f4:67"
    assert naming.mac_address(MACHINE, 1) != naming.mac_address(MACHINE)


@settings(deadline=None)
@given(st.uuids(), st.uuids())
def test_different_ids_have_different_names(one: UUID, other: UUID) -> None:
    if one == other:
        return
    for name in (naming.machine_filter, naming.department_filter, naming.domain_name):
        assert name(str(one)) != name(str(other))
    assert naming.machine_filter(str(one)) != naming.department_filter(str(one))
    assert naming.filter_uuid(str(one)) != naming.filter_uuid(str(other))


def test_a_mac_address_is_qemus_and_steady() -> None:
    machine_id = str(uuid4())
    assert re.fullmatch(r"52:54:00(:[0-9a-f]{2}){3}", naming.mac_address(machine_id))
    assert naming.mac_address(machine_id) == naming.mac_address(machine_id)


def test_an_id_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="badly formed"):
        naming.machine_filter("../../etc/passwd")


@pytest.mark.parametrize("same", ["Web 1", "  web 1 ", "WEB 1", "\N{FULLWIDTH LATIN SMALL LETTER W}eb 1"])
def test_one_name_in_many_spellings(same: str) -> None:
    assert naming.name_key(same) == "web 1"


@settings(deadline=None)
@given(st.text())
def test_a_key_ignores_space_around(text: str) -> None:
    assert naming.name_key(f" {text}\t") == naming.name_key(text)
