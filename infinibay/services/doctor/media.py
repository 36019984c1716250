"""The checks of what installations need: media, the programs that make more of them, and Windows' drivers."""

from __future__ import annotations

import shutil
from pathlib import Path

from infinibay.core.isos import looks_like_windows
from infinibay.core.operating_systems import DRIVERS_ISO
from infinibay.host.iso_directory import IsoDirectory
from infinibay.services.doctor.checks import HostCheck, failed, ok, warning
from infinibay.unattended.media.programs import PACKAGES

_NAMED_MEDIA = 5


def media(folder: Path) -> HostCheck:
    """Whether there is anything to install from. Raises HostFailure."""
    present = _present(folder)
    if present:
        more = f" and {len(present) - _NAMED_MEDIA} more" if len(present) > _NAMED_MEDIA else ""
        return ok("media", f"{', '.join(present[:_NAMED_MEDIA])}{more} in {folder}")
    mend = "scripts/infinibay iso add ubuntu-24.04-live-server-amd64.iso"
    return warning("media", f"no installation ISO in {folder}", mend)


def programs() -> HostCheck:
    """Whether all programs are there that make media."""
    missing = [program for program in PACKAGES if shutil.which(program) is None]
    if not missing:
        return ok("media programs", ", ".join(PACKAGES))
    packages = " ".join(dict.fromkeys(PACKAGES[program] for program in missing))
    return failed("media programs", f"{', '.join(missing)} missing", f"apt-get install {packages}")


def windows_drivers(folder: Path) -> HostCheck:
    """Whether Windows could be installed, where there is a medium of it. Raises HostFailure."""
    if (folder / DRIVERS_ISO).is_file():
        return ok("windows drivers", f"{DRIVERS_ISO} in {folder}")
    windows = [name for name in _present(folder) if looks_like_windows(name)]
    if not windows:
        return ok("windows drivers", "there is no medium of Windows")
    mend = f"Put the ISO of the virtio-win project into {folder} as {DRIVERS_ISO}"
    return warning("windows drivers", f"{windows[0]} can't be installed without {DRIVERS_ISO}", mend)


def _present(folder: Path) -> list[str]:
    return sorted(name for name in IsoDirectory(folder).scan() if name != DRIVERS_ISO)
