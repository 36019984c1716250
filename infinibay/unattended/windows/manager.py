"""Windows 10 and 11: the answer file in the root of any medium, and the script that finishes the installation.

An installer begins with an empty disk; an image has its system already, which was generalised by sysprep.
"""

from __future__ import annotations

from infinibay.core.operating_systems import Family, OperatingSystem
from infinibay.core.sizing import product_key_problems
from infinibay.errors import BadUserInput, FieldProblem
from infinibay.unattended.checks import common_problems
from infinibay.unattended.installation import Account, Installation, Interpreter
from infinibay.unattended.keyboards import windows_input_locale
from infinibay.unattended.names import computer_name
from infinibay.unattended.windows.answers import answer_file, generalised_answer_file
from infinibay.unattended.windows.editions import choose
from infinibay.unattended.windows.first_logon import first_logon_files

_PASSWORD_UNITS = 127
_INTERPRETERS = frozenset({"powershell", "cmd"})


class _Windows:
    """One of the two systems; its setup looks for the file on each drive, whatever its label."""

    label = "INFINIBAY"
    interpreter: Interpreter = "powershell"

    def __init__(self, system: OperatingSystem) -> None:
        self._system = system

    def kernel_arguments(self, iso_label: str) -> tuple[str, ...]:  # noqa: ARG002 - Windows boots by its own loader.
        return ()


class WindowsManager(_Windows):
    """From an installation medium."""

    def problems(self, installation: Installation) -> tuple[FieldProblem, ...]:
        problems = _shared_problems(installation, self._system)
        try:
            choose(installation)
        except BadUserInput as error:
            problems += error.problems
        return tuple(problems)

    def files(self, installation: Installation) -> dict[str, bytes]:
        if problems := self.problems(installation):
            raise BadUserInput(*problems)
        # Setup itself reports nothing, so the first thing that is said is that it has ended.
        work = first_logon_files(installation, begins="installed", brings_tools=True)
        return {"autounattend.xml": answer_file(installation, self._system), **work}


class WindowsImageManager(_Windows):
    """From an image, whose setup looks for the file under the name that it has for all but the installer."""

    def problems(self, installation: Installation) -> tuple[FieldProblem, ...]:
        problems = _shared_problems(installation, self._system)
        if installation.edition is not None:
            problems.append(FieldProblem("edition", "An image has its edition already"))
        return tuple(problems)

    def files(self, installation: Installation) -> dict[str, bytes]:
        if problems := self.problems(installation):
            raise BadUserInput(*problems)
        # The image has the guest tools, which its agent is one of.
        work = first_logon_files(installation, begins="started", brings_tools=False)
        return {"unattend.xml": generalised_answer_file(installation), **work}


def _shared_problems(installation: Installation, system: OperatingSystem) -> list[FieldProblem]:
    problems = [
        *common_problems(installation, Family.WINDOWS),
        *_username_problems(installation.account.name, computer_name(installation.host_name)),
        *_password_problems(installation.account),
        *_work_problems(installation),
    ]
    if windows_input_locale(installation.keyboard) is None:
        problems.append(FieldProblem("keyboard", "Windows has no such keyboard"))
    if installation.product_key:
        problems += product_key_problems(installation.product_key)
    # Setup of Windows 11 checks for it, and we satisfy its checks instead of switching them off.
    if system.secure_boot and installation.firmware != "efi":
        problems.append(FieldProblem("os", f"{system.title} needs UEFI, which this host does not offer"))
    return problems


def _username_problems(username: str, computer: str) -> list[FieldProblem]:
    """Windows takes such a name for the computer's own: the account gets into no group, and its first logon fails."""
    if username.casefold() != computer.casefold():
        return []
    message = f"The username {username} is the computer's name too, which Windows forbids; change it or the hostname"
    return [FieldProblem("username", message)]


def _password_problems(account: Account) -> list[FieldProblem]:
    if not account.password:
        return [FieldProblem("password", "Windows needs the password itself")]
    if len(account.password.encode("utf-16-le", "surrogatepass")) // 2 > _PASSWORD_UNITS:
        return [FieldProblem("password", f"Windows takes a password of at most {_PASSWORD_UNITS} characters")]
    return []


def _work_problems(installation: Installation) -> list[FieldProblem]:
    problems = [
        FieldProblem("applications", f"Application {application.id} has no command for Windows")
        for application in installation.applications
        if application.packages
    ]
    problems += [
        FieldProblem("firstBootScripts", f"Script {script.id}: Windows has no {script.interpreter}")
        for script in installation.scripts
        if script.interpreter not in _INTERPRETERS
    ]
    if installation.packages:
        problems.append(FieldProblem("packages", "Windows has no packages; choose applications"))
    if installation.ssh_keys:
        problems.append(FieldProblem("sshKeys", "Windows has no SSH server to take keys"))
    return problems
