"""The one way from a system to the manager of its answer files."""

from __future__ import annotations

from infinibay.core.operating_systems import OPERATING_SYSTEMS, Family, OperatingSystem
from infinibay.errors import BadUserInput, FieldProblem
from infinibay.unattended.api import UnattendedManager
from infinibay.unattended.cloud import CloudManager
from infinibay.unattended.debian import DebianManager
from infinibay.unattended.redhat import RedHatManager
from infinibay.unattended.ubuntu import UbuntuManager
from infinibay.unattended.windows.manager import WindowsImageManager, WindowsManager


def create_unattended_manager(os: str) -> UnattendedManager:
    """The manager of the system with this name. Raises BadUserInput for an unknown one."""
    system = OPERATING_SYSTEMS.get(os)
    if system is None:
        raise BadUserInput(FieldProblem("os", f"There is no unattended installation of {os}"))
    match system.family:
        case Family.WINDOWS:
            return WindowsManager(system)
        case Family.UBUNTU:
            return UbuntuManager()
        case Family.REDHAT:
            return RedHatManager()
        case Family.DEBIAN:
            return DebianManager()


def create_image_manager(system: OperatingSystem) -> UnattendedManager:
    """The manager for machines that begin with an image of this system."""
    return WindowsImageManager(system) if system.is_windows else CloudManager(system.family)
