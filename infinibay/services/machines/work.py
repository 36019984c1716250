"""The work of a machine's first boot: the applications and scripts that were chosen for it, with the given values.

The choice is checked before anything is written, and again when the work is made: what was chosen may have been changed
in between, and a choice without its values is worth nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from infinibay.core.applications import commands_for, is_offered
from infinibay.core.identifiers import canonical
from infinibay.core.operating_systems import OPERATING_SYSTEMS, OperatingSystem
from infinibay.core.parameters import COMMAND_PLACE, SCRIPT_PLACE, Parameter, resolve
from infinibay.core.scripts import Shell
from infinibay.db import applications, rows, scripts
from infinibay.db.client import Database
from infinibay.errors import BadUserInput, FieldProblem
from infinibay.services.applications import parameters_of_row
from infinibay.services.machines.installation_secrets import Installation
from infinibay.services.machines.requests import CreateMachineRequest
from infinibay.services.scripts.content import inputs_of, read_content
from infinibay.unattended.api import UnattendedManager
from infinibay.unattended.factory import create_unattended_manager
from infinibay.unattended.filling import fill
from infinibay.unattended.installation import Application, Script

MOST_CHOSEN = 50
_APPLICATIONS = "applications"
_SCRIPTS = "firstBootScripts"


@dataclass(frozen=True)
class Choice:
    """What a new machine gets, by ids in their order, with the given values; these may be secret."""

    applications: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    scripts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class FirstBootWork:
    """What the installer leaves for the first boot; the ids are those of the rows, the scripts in their order."""

    applications: tuple[Application, ...]
    scripts: tuple[Script, ...]


async def check_choice(
    db: Database, request: CreateMachineRequest, system: OperatingSystem
) -> tuple[Choice, list[FieldProblem]]:
    """What was chosen for a new machine, and everything that is wrong with it."""
    wanted = [(one.application_id, one.parameters) for one in request.applications]
    wanted_scripts = [(one.script_id, one.input_values) for one in request.first_boot_scripts]
    choice = Choice(_known_forms(wanted), _known_forms(wanted_scripts))
    found = await applications.by_ids(db, choice.applications)
    found_scripts = await scripts.by_ids(db, choice.scripts)
    problems = [
        *_list_problems(_APPLICATIONS, "application", [name for name, _ in wanted], found),
        *_list_problems(_SCRIPTS, "script", [name for name, _ in wanted_scripts], found_scripts),
    ]
    for application_id, row in found.items():
        problems += _application_problems(row, system, choice.applications[application_id])
    for script_id, script in found_scripts.items():
        problems += _script_problems(script, system, choice.scripts[script_id])
    return choice, problems


def by_hand_problems(choice: Choice) -> list[FieldProblem]:
    """What is wrong with a choice where nobody but the user answers the installer."""
    chosen = {_APPLICATIONS: choice.applications, _SCRIPTS: choice.scripts}
    return [
        FieldProblem(field, "An installer that is answered by hand leaves nothing for the first boot")
        for field, some in chosen.items()
        if some
    ]


async def check_kept(db: Database, machine: rows.Machine, installation: Installation) -> None:
    """Raises BadUserInput where what was chosen can't be done with what was kept."""
    await first_boot_work(db, machine, installation, create_unattended_manager(machine.os))


async def first_boot_work(
    db: Database, machine: rows.Machine, installation: Installation, manager: UnattendedManager
) -> FirstBootWork:
    """Raises BadUserInput where what was chosen can't be done any more: it was changed, or its values were erased."""
    system = OPERATING_SYSTEMS[machine.os]
    chosen = await applications.of_machine(db, machine.id)
    chosen_scripts = await scripts.of_machine(db, machine.id)
    given, given_scripts = installation.applications, installation.scripts
    problems = [
        *(one for row in chosen for one in _application_problems(row, system, given.get(row.id, {}))),
        *(one for row in chosen_scripts for one in _script_problems(row, system, given_scripts.get(row.id, {}))),
    ]
    if problems:
        raise BadUserInput(*problems)
    return FirstBootWork(
        tuple(_application(row, system, given.get(row.id, {}), manager) for row in chosen),
        tuple(_script(row, given_scripts.get(row.id, {})) for row in chosen_scripts),
    )


def _known_forms(wanted: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, Mapping[str, Any]]:
    return {known: values for name, values in wanted if (known := canonical(name))}


def _list_problems(field: str, noun: str, wanted: Sequence[str], found: Mapping[str, object]) -> list[FieldProblem]:
    names = [canonical(name) or name for name in wanted]
    problems = [
        FieldProblem(field, f"There is no {noun} {name[:80]!r}") for name in dict.fromkeys(names) if name not in found
    ]
    if len(set(names)) < len(names):
        problems.append(FieldProblem(field, f"The same {noun} is named twice"))
    if len(names) > MOST_CHOSEN:
        problems.append(FieldProblem(field, f"A machine gets at most {MOST_CHOSEN} of them, not {len(names)}"))
    return problems


def _application_problems(
    row: rows.Application, system: OperatingSystem, given: Mapping[str, Any]
) -> list[FieldProblem]:
    if not is_offered(row.os, system) or not commands_for(dict(row.installCommand), system):
        return [FieldProblem(_APPLICATIONS, f"{row.name} can't be installed on {system.title}")]
    return _value_problems(_APPLICATIONS, row.name, parameters_of_row(row), given)


def _script_problems(row: rows.Script, system: OperatingSystem, given: Mapping[str, Any]) -> list[FieldProblem]:
    if not Shell(row.shell).runs_on(system):
        return [FieldProblem(_SCRIPTS, f"{row.name} is written in {row.shell}, which {system.title} does not have")]
    return _value_problems(_SCRIPTS, row.name, inputs_of(list(row.inputs)), given)


def _value_problems(
    field: str, name: str, parameters: Sequence[Parameter], given: Mapping[str, Any]
) -> list[FieldProblem]:
    return [FieldProblem(field, f"{name}: {problem}") for problem in resolve(parameters, given).problems]


def _application(
    row: rows.Application, system: OperatingSystem, given: Mapping[str, Any], manager: UnattendedManager
) -> Application:
    values = resolve(parameters_of_row(row), given).values
    commands = commands_for(dict(row.installCommand), system)
    return Application(row.id, tuple(fill(one, COMMAND_PLACE, values, manager.interpreter) for one in commands))


def _script(row: rows.Script, given: Mapping[str, Any]) -> Script:
    content = read_content("JSON" if row.format == "JSON" else "YAML", row.content)
    values = resolve(content.parameters, given).values
    return Script(row.id, fill(content.body, SCRIPT_PLACE, values, content.shell), content.shell)
