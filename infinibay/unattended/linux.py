"""What every Linux is given beside its installer's own answers: work for the first boot, and how it reports.

Applications and scripts need a running system and its network, so no installer runs them: it unpacks an archive into
the new system, whose first boot does the work (`templates/first_boot.sh`).
"""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from infinibay.unattended.installation import Application, Installation, Interpreter
from infinibay.unattended.quoting import shell_word
from infinibay.unattended.reports import Event, TaskKind, patience, report_line
from infinibay.unattended.templates import template

SETUP_HOME = "var/lib/infinibay/setup"
_REPORTS = "var/lib/infinibay/reports"
_UNIT = "infinibay-setup.service"
_UNITS = "etc/systemd/system"

AGENT_PACKAGE = "qemu-guest-agent"


@dataclass(frozen=True)
class Task:
    """One piece of work of the first boot; its exit status is reported under its kind and id."""

    kind: TaskKind
    id: str
    interpreter: Interpreter
    body: str


def first_boot_archive(
    installation: Installation,
    installer: str,
    before: tuple[Task, ...] = (),
    *,
    beside: Mapping[str, str] = MappingProxyType({}),
) -> bytes:
    """A tar archive, compressed by gzip, for the root of the new system; root alone can read what may be secret.

    `installer` is the script that installs the packages that it is given; the tasks `before` come before all others;
    the texts `beside` lie in SETUP_HOME until the work is done, for whoever unpacks the archive.
    """
    tasks = [*before, *_tasks(installation)]
    plan = "".join(f"{number:03} {task.kind} {task.id} {task.interpreter}\n" for number, task in enumerate(tasks, 1))
    buffer = io.BytesIO()
    # Without times, so that the same installation gives the same bytes.
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for directory in (SETUP_HOME, f"{SETUP_HOME}/tasks"):
            archive.addfile(_entry(directory, 0o700, tarfile.DIRTYPE))
        # An image may have those of the machine that it was made of.
        _add(archive, _REPORTS, "")
        _add(archive, f"{SETUP_HOME}/run", template("first_boot.sh"))
        _add(archive, f"{SETUP_HOME}/install", installer)
        _add(archive, f"{SETUP_HOME}/port", f"{installation.report_port}\n")
        for name, text in {**_report_home(installation), **beside}.items():
            _add(archive, f"{SETUP_HOME}/{name}", text)
        _add(archive, f"{SETUP_HOME}/plan", plan)
        for number, task in enumerate(tasks, 1):
            _add(archive, f"{SETUP_HOME}/tasks/{number:03}", task.body)
        _add(archive, f"{_UNITS}/{_UNIT}", template("first_boot.service"), 0o644)
        enabled = _entry(f"{_UNITS}/multi-user.target.wants/{_UNIT}", 0o777, tarfile.SYMTYPE)
        enabled.linkname = f"../{_UNIT}"
        archive.addfile(enabled)
    return buffer.getvalue()


def access_task(installation: Installation, *packages: str) -> Task:
    """Lets the owners of the SSH keys in, for installers that don't; these packages are installed first."""
    account = shell_word(installation.account.name)
    keys = shell_word("".join(f"{key}\n" for key in installation.ssh_keys))
    body = f"account={account}\nkeys={keys}\n{template('ssh_keys.sh')}"
    return Task("access", "ssh", "sh", f"set -e\n{_install(packages)}\n{body}" if packages else body)


def report_command(port: str, event: Event) -> str:
    """One line of shell that tells the host: it always succeeds, and in time even when the host does not listen."""
    path = shell_word(f"/dev/virtio-ports/{port}")
    tell = f"echo {shell_word(report_line(event))} >{path}"
    return f"[ ! -c {path} ] || timeout {patience(event)} sh -c {shell_word(tell)} || true"


def _report_home(installation: Installation) -> dict[str, str]:
    """Settings of curl and of wget, whichever the system has; so the token is in no list of processes."""
    home = installation.report_home
    if home is None:
        return {}
    return {
        "curlrc": f'url = "{home.url}"\nheader = "Authorization: Bearer {home.token}"\n',
        "wgetrc": f"header = Authorization: Bearer {home.token}\n",
        "url": f"{home.url}\n",
    }


def _tasks(installation: Installation) -> list[Task]:
    """The agent first, since through it the host can look inside."""
    agent = f"command -v qemu-ga || {_install((AGENT_PACKAGE,))}\nsystemctl start {AGENT_PACKAGE}\n"
    tasks = [Task("agent", AGENT_PACKAGE, "sh", agent)]
    if installation.packages:
        tasks.append(Task("packages", "packages", "sh", _install(installation.packages) + "\n"))
    tasks += [
        Task("application", application.id, "sh", _application(application))
        for application in installation.applications
    ]
    tasks += [Task("script", script.id, script.interpreter, script.body) for script in installation.scripts]
    return tasks


def _application(application: Application) -> str:
    install = (_install(application.packages),) if application.packages else ()
    return "\n".join(("set -e", *install, *application.commands, ""))


def _install(packages: tuple[str, ...]) -> str:
    return " ".join(('sh "$INFINIBAY_SETUP/install"', *(shell_word(name) for name in packages)))


def _add(archive: tarfile.TarFile, path: str, text: str, mode: int = 0o600) -> None:
    content = text.encode()
    entry = _entry(path, mode, tarfile.REGTYPE)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def _entry(path: str, mode: int, kind: bytes) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.mode, entry.type, entry.uname, entry.gname = mode, kind, "root", "root"
    return entry
