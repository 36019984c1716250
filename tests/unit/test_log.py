from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from infinibay.log import bound, configure, get_logger


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def _lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_line_is_json_with_event_level_time_and_values(capsys: pytest.CaptureFixture[str]) -> None:
    configure(json=True)
    get_logger("one").info("machine.started", machine="web", count=2)
    (line,) = _lines(capsys)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "machine.started", "level": "info", "machine": "web", "count": 2}


def test_lines_below_the_level_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure(level="WARNING", json=True)
    get_logger("two").info("quiet")
    get_logger("two").warning("loud")
    assert [line["event"] for line in _lines(capsys)] == ["loud"]


@pytest.mark.parametrize("name", ["uvicorn.error", "uvicorn.access", "websockets.server", "prisma.engine", "httpx"])
@pytest.mark.parametrize(("level", "loud"), [("DEBUG", ["warned", "failed"]), ("ERROR", ["failed"])])
def test_libraries_that_write_requests_tell_of_troubles_alone(
    capsys: pytest.CaptureFixture[str], name: str, level: str, loud: list[str]
) -> None:
    configure(level=level, json=True)
    library = logging.getLogger(name)
    library.debug("said")
    library.info("told")
    library.warning("warned")
    library.error("failed")
    assert [line["event"] for line in _lines(capsys)] == loud


def test_bound_ids_are_on_every_line_of_the_block_and_on_libraries_lines(capsys: pytest.CaptureFixture[str]) -> None:
    configure(json=True)
    with bound(request_id="r1", machine_id="m1"):
        get_logger("three").info("inside")
        logging.getLogger("library").warning("theirs %s", "too")
    get_logger("three").info("outside")
    inside, theirs, outside = _lines(capsys)
    assert (inside["request_id"], inside["machine_id"]) == ("r1", "m1")
    assert (theirs["event"], theirs["request_id"]) == ("theirs too", "r1")
    assert "request_id" not in outside


@pytest.mark.parametrize(
    "key", ["password", "Password", "admin_password", "userPassword", "token", "authorization", "product_key", "key"]
)
def test_secrets_are_replaced_at_every_depth(capsys: pytest.CaptureFixture[str], key: str) -> None:
    configure(json=True)
    get_logger("four").info("e", **{key: "hidden"}, nested={"inner": [{key: "hidden"}], "name": "shown"})
    (line,) = _lines(capsys)
    assert line[key] == "***"
    assert line["nested"] == {"inner": [{key: "***"}], "name": "shown"}


def test_names_that_only_begin_like_secrets_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    configure(json=True)
    get_logger("five").info("e", password_file="/path", idempotency_key="k1", password=None)
    (line,) = _lines(capsys)
    assert (line["password_file"], line["idempotency_key"], line["password"]) == ("/path", "k1", None)


@pytest.mark.parametrize("json_lines", [True, False])
def test_exception_is_logged_without_local_variables(capsys: pytest.CaptureFixture[str], json_lines: bool) -> None:
    configure(json=json_lines)

    def fail(password: str) -> None:
        raise ValueError(len(password))

    try:
        fail("hidden" * 2)
    except ValueError:
        get_logger("six").exception("failed")
        logging.getLogger("library").exception("theirs")
    text = capsys.readouterr().err
    assert text.count("Traceback") == 2
    assert text.count("ValueError: 12") == 2
    assert "hidden" * 2 not in text


def test_configuring_again_does_not_double_the_lines(capsys: pytest.CaptureFixture[str]) -> None:
    configure(json=True)
    configure(json=True)
    get_logger("seven").info("once")
    assert len(_lines(capsys)) == 1
