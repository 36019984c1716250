"""A guest's reports: what is none is nothing, whatever a guest sends."""

from __future__ import annotations

import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infinibay.unattended.reports import MOST_LINE_BYTES, Event, Report, read_report, report_line


@pytest.mark.parametrize("event", [event for event in get_args(Event) if event != "task"])
def test_an_event_reads_back(event: Event) -> None:
    assert read_report(report_line(event).encode()) == Report(event)


def test_a_task_reads_back() -> None:
    line = b'{"event":"task","kind":"script","id":"s-1","status":3}\n'
    assert read_report(line) == Report("task", "script", "s-1", 3)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"1e999",
        b"[" * 1000,
        b'{"event":"owned"}',
        b'{"event":["task"]}',
        b'{"event":"task"}',
        b'{"event":"task","kind":"script","id":1,"status":0}',
        b'{"event":"task","kind":"shell","id":"a","status":0}',
        b'{"event":"task","kind":"script","id":"a","status":true}',
        b'{"event":"task","kind":"script","id":"a","status":"0"}',
        b'{"event":"finished","x":"' + b"a" * MOST_LINE_BYTES + b'"}',
    ],
)
def test_anything_else_is_no_report(line: bytes) -> None:
    assert read_report(line) is None


_VALUES = st.recursive(
    st.none() | st.text() | st.integers() | st.sampled_from(["task", "script", "finished"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["event", "kind", "id", "status"]), inner),
    max_leaves=6,
)


@given(st.one_of(st.binary(max_size=200), _VALUES.map(json.dumps)))
def test_nothing_that_a_guest_sends_does_harm(line: bytes | str) -> None:
    report = read_report(line if isinstance(line, bytes) else line.encode())
    assert report is None or report.event in get_args(Event)
