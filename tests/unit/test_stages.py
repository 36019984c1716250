from __future__ import annotations

import sys
from pathlib import Path

import pytest

from scripts import stages

REPORT = """<testsuites><testsuite>
<testcase name="a"/><testcase name="b"><failure/></testcase><testcase name="c"><error/></testcase>
<testcase name="d"><skipped/></testcase><testcase name="e"><failure/><error/></testcase><testcase name="f"/>
</testsuite></testsuites>"""


def _stage(name: str, program: str, *, is_tests: bool = False) -> stages.Stage:
    return stages.Stage(name, (sys.executable, "-c", program), is_tests=is_tests)


def test_a_report_s_cases_are_counted_once_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write = f"import pathlib; pathlib.Path({str(tmp_path / 'unit.xml')!r}).write_text({REPORT!r}); raise SystemExit(1)"
    assert stages.run_stages([_stage("unit", write, is_tests=True)], tmp_path) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "2 passed, 3 failed"


def test_every_stage_runs_and_a_failed_one_shows_its_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failing = _stage("lint", "print('line 7 is wrong'); raise SystemExit(1)")
    assert stages.run_stages([failing, _stage("types", "print('all is well')")], tmp_path) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "line 7 is wrong" in lines
    assert "all is well" not in lines
    assert lines[-1] == "1 passed, 1 failed"


def test_tests_that_end_badly_without_a_report_count_as_one_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stages.run_stages([_stage("unit", "raise SystemExit(4)", is_tests=True)], tmp_path) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "0 passed, 1 failed"


def test_all_well_is_status_zero(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert stages.run_stages([_stage("format", "pass")], tmp_path) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 passed, 0 failed"


def test_unknown_stage_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert stages.main(["nonsense"]) == 2
    told = (
        "No such stage: nonsense. There are: format, lint, types, imports, schema, unit, integration, system, faults\n"
    )
    assert capsys.readouterr().err == told
