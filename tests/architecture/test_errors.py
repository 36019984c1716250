"""One tree of errors: each with a default message and a code that clients know."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages

import infinibay
from infinibay import errors
from infinibay.errors import InfinibayError

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
    "INTERNAL_SERVER_ERROR",
}


def every_error() -> Iterator[type[InfinibayError]]:
    for module in walk_packages(infinibay.__path__, "infinibay."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    waiting = [InfinibayError]
    while waiting:
        error = waiting.pop()
        yield error
        waiting += error.__subclasses__()


ERRORS = sorted(set(every_error()), key=lambda error: error.__name__)


def test_every_error_has_a_default_message() -> None:
    assert len(ERRORS) > 20
    assert [error.__name__ for error in ERRORS if not (error.__dict__.get("__doc__") or "").strip()] == []


def test_every_error_has_a_code_that_clients_know() -> None:
    assert {error.__name__: error.code for error in ERRORS if error.code not in CODES} == {}


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = errors.__doc__ or ""
    own = [error for error in ERRORS if error.__module__ == "infinibay.errors"]
    assert [error.__name__ for error in own if error.__name__ not in drawn.replace("├", " ").split()] == []
