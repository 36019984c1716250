"""Runs the stages of checks and tests one after the other, tells how each went, and sums them up."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from scripts.daemons import running_daemons

_ROOT = Path(__file__).parents[1]
_BIN = Path(sys.executable).parent
_RESULTS = _ROOT / ".cache" / "test"
_SHOWN_LINES = 400
_PYTHON = ("infinibay", "tests", "scripts")
_SCHEMA_TEST = "tests/unit/graphql/test_schema.py"


@dataclass(frozen=True)
class Stage:
    """A command that says by its exit status whether it went well; tests are counted from their own report."""

    name: str
    command: tuple[str, ...]
    is_tests: bool = False


@dataclass(frozen=True)
class Result:
    """What a stage came to; a check counts as one."""

    stage: Stage
    seconds: float
    passed: int
    failed: int
    skipped: int


def _check(name: str, program: str, *arguments: str) -> Stage:
    return Stage(name, (str(_BIN / program), *arguments))


def _tests(name: str, *arguments: str) -> Stage:
    report = f"--junitxml={_RESULTS / name}.xml"
    return Stage(name, (sys.executable, "-m", "pytest", "-q", report, *arguments), is_tests=True)


# Files that run at the same time share at most the host's libvirt, where each finds its own things by their ids.
_TWO_AT_ONCE = ("--numprocesses=2", "--dist=loadfile")
_STAGES = (
    _check("format", "ruff", "format", "--check", "."),
    _check("lint", "ruff", "check", "."),
    _check("types", "mypy", *_PYTHON),
    _check("imports", "lint-imports", "importlinter.ini"),
    _tests("schema", _SCHEMA_TEST),
    _tests("unit", "tests/unit", "tests/architecture", f"--ignore={_SCHEMA_TEST}"),
    _tests("integration", "tests/integration", *_TWO_AT_ONCE),
    _tests("system", "tests/system", *_TWO_AT_ONCE),
    _tests("faults", "tests/faults", *_TWO_AT_ONCE),
)


def main(names: list[str]) -> int:
    """Runs the named stages, or all: 0 when everything passed, 1 when not, 2 for an unknown name."""
    known = [stage.name for stage in _STAGES]
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.stderr.write(f"No such stage: {', '.join(unknown)}. There are: {', '.join(known)}\n")
        return 2
    with running_daemons("qemu:///system"):
        return run_stages([stage for stage in _STAGES if not names or stage.name in names], _RESULTS)


def run_stages(stages: list[Stage], folder: Path) -> int:
    """Runs all of them, whatever fails, with logs and reports in the folder; 0 when everything passed, otherwise 1."""
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    results = [_run(stage, folder) for stage in stages]
    return _summarise(results, time.monotonic() - began)


def _run(stage: Stage, folder: Path) -> Result:
    _say(f"{stage.name:<12} ", end="")
    log, report = folder / f"{stage.name}.log", folder / f"{stage.name}.xml"
    report.unlink(missing_ok=True)
    began = time.monotonic()
    with log.open("wb") as output:
        ended = subprocess.run(stage.command, cwd=_ROOT, stdout=output, stderr=subprocess.STDOUT, check=False)
    seconds = time.monotonic() - began
    passed, failed, skipped = _counted(report) if stage.is_tests else (int(not ended.returncode), 0, 0)
    if ended.returncode and not failed:
        failed = 1  # It ended badly without naming a test, for instance because one cannot be imported.
    result = Result(stage, seconds, passed, failed, skipped)
    _say(_line(result))
    if failed:
        _say("\n".join(log.read_text(errors="replace").splitlines()[-_SHOWN_LINES:]))
    return result


def _counted(report: Path) -> tuple[int, int, int]:
    """Passed, failed (errors included) and skipped of a test run's report; zeros when it left none."""
    if not report.exists():
        return 0, 0, 0
    cases = list(ET.parse(report).iter("testcase"))
    bad = {id(case) for case in cases if case.find("failure") is not None or case.find("error") is not None}
    skipped = {id(case) for case in cases if case.find("skipped") is not None} - bad
    return len(cases) - len(bad) - len(skipped), len(bad), len(skipped)


def _line(result: Result) -> str:
    counts = f"{result.passed} passed, {result.failed} failed" if result.stage.is_tests else ""
    if result.skipped:
        counts += f", {result.skipped} skipped"
    return f"{'FAILED' if result.failed else 'ok':<7}{result.seconds:7.1f} s  {counts}".rstrip()


def _summarise(results: list[Result], seconds: float) -> int:
    passed, failed = sum(result.passed for result in results), sum(result.failed for result in results)
    _say(f"\nSummary after {seconds:.0f} s (a check counts as one)")
    for result in results:
        _say(f"{result.stage.name:<12} {_line(result)}")
    _say(f"\n{passed} passed, {failed} failed")
    return 1 if failed else 0


def _say(text: str, end: str = "\n") -> None:
    sys.stdout.write(f"{text}{end}")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
