"""Refuses a data directory of another major version of PostgreSQL, with the steps that upgrade it."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from infinibay.db.postgres_programs import SUPERUSER, Account, Programs, programs_of, reachable
from infinibay.errors import SettingError


def refuse_other_major(data_dir: Path, programs: Programs, account: Account, copies: Path) -> None:
    """Raises SettingError with the commands to run when the directory is not of the programs' major version."""
    version_file = data_dir / "PG_VERSION"
    if not version_file.exists():
        return
    major = int(version_file.read_text())
    if major == programs.major:
        return
    found = f"holds a database of PostgreSQL {major}, and PostgreSQL {programs.major} is installed: {data_dir}"
    if major > programs.major:
        raise SettingError("INFINIBAY_BASE_DIR", f"{found}. Start the version of infinibay that last used it.")
    steps = "\n".join(f"  {line}" for line in upgrade_commands(data_dir, major, programs, account, copies))
    raise SettingError(
        "INFINIBAY_BASE_DIR",
        f"{found}.\nStop every infinibay of this directory, run these commands, and start again:\n{steps}\n"
        f"When all is well, remove {_set_aside(data_dir, major)}.",
    )


def upgrade_commands(data_dir: Path, major: int, programs: Programs, account: Account, copies: Path) -> list[str]:
    """The shell commands that turn the data directory into one of the programs' major version; the old one is kept."""
    old = programs_of(major, copies)
    old_bin = reachable(old, account, copies).bin if old else Path(f"/usr/lib/postgresql/{major}/bin")
    aside = str(_set_aside(data_dir, major))
    data, new = str(data_dir), programs.bin
    as_account = ["runuser", "-u", account.name, "--"] if os.geteuid() != account.uid else []
    directories = ["--old-datadir", aside, "--new-datadir", data]
    commands: list[list[str]] = [
        *([] if old else [["apt-get", "install", f"postgresql-{major}"]]),
        ["mv", data, aside],
        ["install", "-d", "-m", "700", "-o", str(account.uid), "-g", str(account.gid), data],
        # pg_upgrade puts its sockets into the working directory, so that must be short and open to the account.
        ["cd", "/tmp"],  # noqa: S108 - the directory of the person who upgrades
        [*as_account, f"{new}/initdb", "-D", data, *programs.initdb_options()],
        [*as_account, f"{new}/pg_upgrade", "-U", SUPERUSER, "-b", str(old_bin), "-B", str(new), *directories],
    ]
    return [shlex.join(command) for command in commands]


def _set_aside(data_dir: Path, major: int) -> Path:
    return data_dir.with_name(f"{data_dir.name}-{major}")
