"""What may be asked for, and which values are taken."""

from __future__ import annotations

from typing import Any

import pytest

from infinibay.core.parameters import LONGEST_VALUE, MOST_PARAMETERS, Option, Parameter, definition_problems, resolve

_OPTIONS = (Option("a", "A"), Option("b", "B"))


def parameter(kind: Any = "text", **changes: Any) -> Parameter:
    return Parameter(**{"name": "x", "label": "X", "kind": kind, **changes})


@pytest.mark.parametrize(
    ("kind", "changes", "given", "text"),
    [
        ("text", {}, "a\nb 'c' 🙂", "a\nb 'c' 🙂"),
        ("text", {}, "", ""),
        ("text", {"least": 2, "most": 2}, "ab", "ab"),
        ("text", {"default": "d"}, None, "d"),
        ("text", {}, None, ""),
        ("password", {}, "s", "s"),
        ("number", {}, 5, "5"),
        ("number", {}, 5.0, "5"),
        ("number", {"least": -1.5}, -1.5, "-1.5"),
        ("number", {"default": 0, "required": True}, None, "0"),
        ("boolean", {}, True, "true"),
        ("boolean", {"default": True}, False, "false"),
        ("select", {"options": _OPTIONS}, "b", "b"),
    ],
)
def test_a_fitting_value_becomes_a_text(kind: str, changes: dict[str, Any], given: Any, text: str) -> None:
    resolved = resolve([parameter(kind, **changes)], {"x": given})
    assert (resolved.values, resolved.problems) == ({"x": text}, ())


@pytest.mark.parametrize(
    ("kind", "changes", "given", "problem"),
    [
        ("text", {"required": True}, None, "x must be given"),
        ("text", {}, 5, "x must be a text"),
        ("text", {}, ["secret"], "x must be a text"),
        ("text", {}, {"secret": 1}, "x must be a text"),
        ("text", {}, True, "x must be a text"),
        ("text", {}, "x" * (LONGEST_VALUE + 1), f"x must have at most {LONGEST_VALUE} characters"),
        ("text", {}, "a\0", "x must not hold NUL or half characters"),
        ("text", {}, "\ud800", "x must not hold NUL or half characters"),
        ("text", {"least": 3}, "ab", "x must be at least 3 characters"),
        ("password", {"most": 1}, "secret", "x must be at most 1 characters"),
        ("number", {}, "5", "x must be a number of at most 9007199254740992"),
        ("number", {}, True, "x must be a number of at most 9007199254740992"),
        ("number", {}, float("nan"), "x must be a number of at most 9007199254740992"),
        ("number", {}, float("inf"), "x must be a number of at most 9007199254740992"),
        ("number", {}, 10**400, "x must be a number of at most 9007199254740992"),
        ("number", {"least": 1}, 0.5, "x must be at least 1"),
        ("boolean", {}, 1, "x must be true or false"),
        ("boolean", {}, "true", "x must be true or false"),
        ("select", {"options": _OPTIONS}, "secret", "x must be one of a, b"),
        ("select", {"options": _OPTIONS}, ["a"], "x must be one of a, b"),
    ],
)
def test_another_value_is_explained_and_not_repeated(
    kind: str, changes: dict[str, Any], given: Any, problem: str
) -> None:
    assert resolve([parameter(kind, **changes)], {"x": given}).problems == (problem,)


def test_what_nobody_asked_for_is_no_value() -> None:
    resolved = resolve([parameter()], {"x": "1", "y": "2", "z" * 100: "3"})
    assert resolved.problems == ("there is no 'y' to give", f"there is no {'z' * 80!r} to give")


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (parameter(name="1x"), "A name has 1 to 64 of A-Z, a-z, 0-9, _ and -, and begins with a letter or _"),
        (parameter(name="a b"), "A name has 1 to 64 of A-Z, a-z, 0-9, _ and -, and begins with a letter or _"),
        (parameter(label=" "), "x: the label has 1 to 200 characters"),
        (parameter("select"), "x: a select, and only a select, has options"),
        (parameter(options=_OPTIONS), "x: a select, and only a select, has options"),
        (parameter("select", options=(*_OPTIONS, Option("a", "C"))), "x: two options have the same value"),
        (parameter("boolean", least=1), "x: a boolean has no min and max"),
        (parameter(least=2, most=1), "x: min is more than max"),
        (parameter(default=5), "x: the default must be a text"),
        (parameter("number", default=5, most=4), "x: the default must be at most 4"),
        (
            parameter("password", default="secret"),
            "x: a password has no default, since everybody could read it",
        ),
    ],
)
def test_a_parameter_must_make_sense(wrong: Parameter, problem: str) -> None:
    assert definition_problems([wrong]) == [problem]


def test_parameters_are_few_and_named_once() -> None:
    assert definition_problems([parameter(), parameter()]) == ["x is defined twice"]
    many = [parameter(name=f"x{number}") for number in range(MOST_PARAMETERS + 1)]
    assert definition_problems(many[1:]) == []
    assert definition_problems(many) == ["There are at most 50 parameters, not 51"]
