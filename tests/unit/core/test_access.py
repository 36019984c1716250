"""Who may do what."""

from __future__ import annotations

import pytest

from infinibay.core.access import Principal, Role, Rule, allows, may_edit_user, may_see

USER = Principal("u", Role.USER, "s")
ADMIN = Principal("a", Role.ADMIN, "s")
SUPER = Principal("s", Role.SUPER_ADMIN, "s")


@pytest.mark.parametrize(
    ("rule", "nobody", "user", "admin", "super_admin"),
    [
        (Rule.PUBLIC, True, True, True, True),
        (Rule.USER, False, True, True, True),
        (Rule.ADMIN, False, False, True, True),
    ],
)
def test_rules(rule: Rule, nobody: bool, user: bool, admin: bool, super_admin: bool) -> None:
    assert [allows(rule, who) for who in (None, USER, ADMIN, SUPER)] == [nobody, user, admin, super_admin]


@pytest.mark.parametrize(("owner", "user"), [("u", True), ("other", False), (None, False)])
def test_a_user_sees_own_machines_and_administrators_all(owner: str | None, user: bool) -> None:
    assert [may_see(who, owner) for who in (USER, ADMIN, SUPER)] == [user, True, True]


@pytest.mark.parametrize(
    ("target", "role", "user", "admin", "super_admin"),
    [
        ("x", Role.USER, False, True, True),
        ("x", Role.ADMIN, False, True, True),
        ("x", Role.SUPER_ADMIN, False, False, True),
        ("u", Role.USER, True, True, True),
        ("a", Role.ADMIN, False, True, True),
    ],
)
def test_nobody_edits_above_the_own_rank(target: str, role: Role, user: bool, admin: bool, super_admin: bool) -> None:
    assert [may_edit_user(who, target, role) for who in (USER, ADMIN, SUPER)] == [user, admin, super_admin]
