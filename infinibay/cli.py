"""The command line: `infinibay serve|plan|user|iso|doctor|install|uninstall`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import click

from infinibay import log
from infinibay.core.operating_systems import OPERATING_SYSTEMS
from infinibay.errors import BadUserInput, InfinibayError
from infinibay.settings import Settings, load

if TYPE_CHECKING:
    from infinibay.services.isos.desk import Checked

T = TypeVar("T")
_MARKS = {"OK": "ok     ", "WARNING": "warning", "FAILED": "FAILED "}
_FOLDER = click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path)
_ROLES = click.Choice(["USER", "ADMIN", "SUPER_ADMIN"])


@click.group()
def main() -> None:
    """Virtual machines on a KVM host, from one GraphQL API."""


@main.command()
@click.option("--role", type=click.Choice(["api", "worker", "all"]), default="all", help="Answer, work, or both.")
def serve(role: Literal["api", "worker", "all"]) -> None:
    """Serve the API and run the operations of this host until Ctrl-C."""
    from infinibay.web.server import serve_and_exit

    settings = _settings()
    _run(lambda: serve_and_exit(settings, role))


@main.command()
@click.option("--json", "as_json", is_flag=True, help="For scripts: a list of {name, state, evidence, remedy}.")
def doctor(*, as_json: bool) -> None:
    """Look at everything that machines need, and say what mends it. Exit status 1 when something fails."""
    from infinibay.bootstrap.diagnosis import diagnose

    settings = _run(load)
    # The report says it all; of the log only what nobody expects is shown beside it.
    log.configure(level="DEBUG" if settings.infinibay_log_level == "DEBUG" else "ERROR")
    checks = _run(lambda: asyncio.run(diagnose(settings)))
    if as_json:
        click.echo(json.dumps([asdict(check) for check in checks], indent=2, ensure_ascii=False))
    else:
        for check in checks:
            click.echo(f"{_MARKS[check.state]}  {check.name}: {check.evidence}")
            if check.remedy:
                click.echo(f"         mend: {check.remedy}")
    sys.exit(1 if any(check.state == "FAILED" for check in checks) else 0)


@main.command()
@click.option("--name", required=True)
@click.option("--os", "system", required=True, type=click.Choice(list(OPERATING_SYSTEMS)))
@click.option("--cores", type=int, default=2, show_default=True)
@click.option("--ram", type=int, default=2, show_default=True, help="GB")
@click.option("--disk", type=int, default=20, show_default=True, help="GB")
@click.option("--username", default="user", show_default=True)
def plan(name: str, system: str, cores: int, ram: int, disk: int, username: str) -> None:
    """Show what createMachine would do. Nothing is written. Exit status 1 when it would refuse."""
    from infinibay.bootstrap.planning import plan_machine
    from infinibay.services.machines.requests import CreateMachineRequest

    settings = _settings()
    request = CreateMachineRequest(
        name=name,
        os=system,
        username=username,
        password="planned",  # noqa: S106 - a plan keeps no password and shows none
        custom_cores=cores,
        custom_ram=ram,
        custom_storage=disk,
    )
    made = _run(lambda: asyncio.run(plan_machine(settings, request)))
    click.echo(json.dumps(asdict(made), indent=2, ensure_ascii=False))
    sys.exit(0 if made.valid else 1)


@main.command()
@click.option("--root", type=_FOLDER, help="Prepare the system below this folder instead, for its next start.")
def install(root: Path | None) -> None:
    """Make the server a service of systemd that starts with the machine. It reads its settings from .env."""
    from infinibay.bootstrap.installing import install as make_service

    settings = _settings()
    click.echo("\n".join(_run(lambda: asyncio.run(make_service(settings, root)))))


@main.command()
@click.option("--root", type=_FOLDER, help="Of the system below this folder instead.")
def uninstall(root: Path | None) -> None:
    """Stop the service and remove it. Machines run on, and all data is kept."""
    from infinibay.bootstrap.installing import uninstall as remove_service

    settings = _settings()
    click.echo("\n".join(_run(lambda: asyncio.run(remove_service(settings, root)))))


@main.group()
def user() -> None:
    """Accounts; works with the server stopped, too."""


@user.command("create")
@click.argument("email")
@click.option("--role", type=_ROLES, default="USER", show_default=True)
@click.option("--first-name", required=True)
@click.option("--last-name", required=True)
@click.password_option()
def create_user(email: str, role: str, first_name: str, last_name: str, password: str) -> None:
    """Make an account."""
    from infinibay.bootstrap.accounts import create_user as create

    settings = _settings()
    _run(lambda: asyncio.run(create(settings, email, password, first_name, last_name, role)))
    click.echo(f"{email} can log in now.")


@user.command("password")
@click.argument("email")
@click.password_option()
def set_password(email: str, password: str) -> None:
    """Give an account a new password; its sessions end."""
    from infinibay.bootstrap.accounts import set_password as change

    settings = _settings()
    ended = _run(lambda: asyncio.run(change(settings, email, password)))
    click.echo(f"The password of {email} is changed; {ended} sessions ended.")


@main.group()
def iso() -> None:
    """Installation media; works with the server stopped, too."""


@iso.command("add")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--default", is_flag=True, help="Make it the medium that its system is installed from.")
def add_iso(file: Path, *, default: bool) -> None:
    """Copy a file into the ISO directory, once its content is recognised."""
    from infinibay.bootstrap.isos import iso_desk

    settings = _settings()

    async def add() -> str:
        async with iso_desk(settings) as desk:
            return (await desk.add(file, default=default)).row.filename

    click.echo(f"{_run(lambda: asyncio.run(add()))} is in the library.")


@iso.command("list")
def list_isos() -> None:
    """Show all media, the default of each system with a star."""
    from infinibay.bootstrap.isos import iso_desk

    settings = _settings()

    async def lines() -> list[str]:
        async with iso_desk(settings) as desk:
            return [desk.line(view) for view in await desk.list()]

    click.echo("\n".join(_run(lambda: asyncio.run(lines()))))


@iso.command("check")
def check_isos() -> None:
    """Read every file of the ISO directory as a whole. Exit status 1 when one is of no use."""
    from infinibay.bootstrap.isos import iso_desk

    settings = _settings()

    async def check() -> Sequence[Checked]:
        async with iso_desk(settings) as desk:
            return await desk.check()

    checked = _run(lambda: asyncio.run(check()))
    for one in checked:
        click.echo(
            f"{_MARKS['FAILED' if one.problem else 'OK']}  {one.filename}{f': {one.problem}' if one.problem else ''}"
        )
    sys.exit(1 if any(one.problem for one in checked) else 0)


def _settings() -> Settings:
    settings = _run(load)
    log.configure(level=settings.infinibay_log_level)
    return settings


def _run(call: Callable[[], T]) -> T:
    """Errors of ours become one sentence and exit status 1; others keep their traceback."""
    try:
        return call()
    except BadUserInput as error:
        for problem in error.problems:
            click.echo(f"{problem.field}: {problem.message}", err=True)
        sys.exit(1)
    except InfinibayError as error:
        click.echo(error.message, err=True)
        if error.remedy:
            click.echo(f"mend: {error.remedy}", err=True)
        sys.exit(1)
