"""The checks of this machine itself; nothing but files and the kernel is asked, so they always answer."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from infinibay.host.facts import HostFacts, clock_is_synchronized
from infinibay.host.resources import disk_space, resources
from infinibay.services.doctor.checks import CheckState, HostCheck, failed, ok, warning
from infinibay.services.doctor.media import media, programs, windows_drivers
from infinibay.settings import Settings, secrets_in

_GB = 1024**3
_LITTLE_SPACE_GB = 10
_NO_SPACE_GB = 1
_LITTLE_MEMORY_GB = 2
SET_CLOCK = "timedatectl set-ntp true"
AS_ROOT = "sudo scripts/infinibay doctor"


class ThisHost:
    """Looks at the base directory, the secrets, the processor and the kernel."""

    def __init__(self, settings: Settings, facts: HostFacts, env_file: Path) -> None:
        self._settings = settings
        self._facts = facts
        self._env_file = env_file

    def report(self) -> list[HostCheck]:
        """All checks; blocks for a few milliseconds."""
        folder = self._settings.infinibay_iso_dir
        checks: tuple[tuple[str, Callable[[], HostCheck]], ...] = (
            ("base directory", self._base_directory),
            ("secrets", self._secrets),
            ("space", self._space),
            ("memory", self._memory),
            ("cpu", self._cpu),
            ("kvm device", self._kvm_device),
            ("bridge filtering", self._bridge_filtering),
            ("iommu", self._iommu),
            ("media", lambda: media(folder)),
            ("media programs", programs),
            ("windows drivers", lambda: windows_drivers(folder)),
            ("clock", self._clock),
        )
        return [_looked(name, look) for name, look in checks]

    def _base_directory(self) -> HostCheck:
        base = self._settings.infinibay_base_dir
        name, quoted = "base directory", shlex.quote(str(base))
        if not os.access(_existing(base), os.W_OK | os.X_OK):
            mend = AS_ROOT if base.exists() else f"sudo install -d -o $USER {quoted}"
            return failed(name, f"{base} is not writable by this account", mend)
        closed = _closed_to_others((base / "machines", self._settings.infinibay_iso_dir))
        if closed is not None:
            return warning(
                name,
                f"QEMU's account can't pass {closed} (mode {_mode(closed)}), unless an ACL lets it",
                f"chmod o+x {shlex.quote(str(closed))}",
            )
        return ok(name, f"{base} is writable" if base.exists() else f"{base} is made with the first start")

    def _secrets(self) -> HostCheck:
        """Key file, first password and `.env` are for their owner alone."""
        settings = self._settings
        private = [settings.key_file.parent, settings.key_file, settings.first_admin_file]
        held = secrets_in(self._env_file)
        open_to_others = [path for path in private if path.exists() and path.stat().st_mode & 0o077]
        if held and self._env_file.stat().st_mode & 0o007:
            open_to_others.append(self._env_file)
        if open_to_others:
            listed = ", ".join(f"{path} (mode {_mode(path)})" for path in open_to_others)
            mend = " && ".join(
                f"chmod {'700' if path.is_dir() else '600'} {shlex.quote(str(path))}" for path in open_to_others
            )
            return failed("secrets", f"other accounts can read {listed}", mend)
        if settings.first_admin_file.exists():
            return warning(
                "secrets",
                f"the first administrator still has the password in {settings.first_admin_file}",
                f"scripts/infinibay user password {settings.default_admin_email}",
            )
        if not settings.key_file.exists():
            return ok("secrets", f"{settings.key_file} is made with the first start")
        return ok("secrets", f"{settings.key_file} is readable by its owner alone")

    def _space(self) -> HostCheck:
        return space("space", self._settings.infinibay_base_dir)

    def _memory(self) -> HostCheck:
        found = resources()
        free, total = found.memory_available / _GB, found.memory_total / _GB
        evidence = f"{free:.1f} of {total:.1f} GB are free"
        if free < _LITTLE_MEMORY_GB:
            return warning("memory", evidence, "Power off machines that nobody needs, or give the host more memory")
        return ok("memory", evidence)

    def _cpu(self) -> HostCheck:
        flag = self._facts.virtualization_flag()
        if flag is not None:
            return ok("cpu", f"offers virtualization ({flag})")
        if self._facts.is_virtual():
            mend = "On the host of this virtual machine, turn on nested virtualization and give it the CPU model `host`"
            return warning("cpu", "offers no virtualization to this virtual machine", mend)
        return warning("cpu", "offers no virtualization", "Turn on Intel VT-x or AMD-V in the firmware's setup")

    def _kvm_device(self) -> HostCheck:
        device = self._facts.kvm_device()
        if device is None:
            module = "kvm_amd" if self._facts.virtualization_flag() == "svm" else "kvm_intel"
            return warning("kvm device", "there is no /dev/kvm: machines are emulated and slow", f"modprobe {module}")
        evidence = f"/dev/kvm belongs to the group {device.group}, mode {device.mode:04o}"
        if not device.is_open:
            return warning(
                "kvm device",
                f"{evidence}: QEMU's account can't use it",
                "chgrp kvm /dev/kvm && chmod 660 /dev/kvm",
            )
        nested = "guests may run guests" if self._facts.nested() else "guests can't run guests (nested is off)"
        return ok("kvm device", f"{evidence}; {nested}")

    def _bridge_filtering(self) -> HostCheck:
        off = self._facts.unfiltered_bridging()
        if not off:
            return ok("bridge filtering", "bridged packets pass iptables")
        return warning(
            "bridge filtering",
            f"bridged packets bypass iptables ({', '.join(off)}): firewall rules for ports would have no effect",
            f"modprobe br_netfilter && sysctl -w {' '.join(f'{name}=1' for name in off)}",
        )

    def _iommu(self) -> HostCheck:
        groups = self._facts.iommu_groups()
        if groups:
            return ok("iommu", f"{groups} groups")
        mend = (
            "sed -i 's/^GRUB_CMDLINE_LINUX=\"/&intel_iommu=on /' /etc/default/grub && update-grub && reboot"
            if self._facts.is_intel()
            else "Turn on AMD-Vi (IOMMU) in the firmware's setup"
        )
        return warning("iommu", "no groups: PCI devices can't be passed through", mend)

    def _clock(self) -> HostCheck:
        if clock_is_synchronized():
            return ok("clock", "is kept right")
        return warning("clock", "nothing keeps it right: tokens of other hosts may count as ended", SET_CLOCK)


def space(name: str, path: Path) -> HostCheck:
    """Whether machines find space where the path lies. Raises OSError."""
    free = disk_space(path).free / _GB
    evidence = f"{free:.1f} GB are free in {path}"
    mend = f"du -xh --max-depth=2 {shlex.quote(str(_existing(path)))} | sort -h | tail"
    if free < _NO_SPACE_GB:
        return failed(name, evidence, mend)
    return warning(name, evidence, mend) if free < _LITTLE_SPACE_GB else ok(name, evidence)


def _looked(name: str, look: Callable[[], HostCheck]) -> HostCheck:
    try:
        return look()
    except OSError as error:
        # Most often it is for root alone; what that means, somebody who may look has to say.
        return HostCheck(name, CheckState.WARNING, f"can't be looked at: {error}", AS_ROOT)


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    return next(place for place in (path, *path.parents) if place.exists())


def _closed_to_others(paths: Iterable[Path]) -> Path | None:
    """The first folder on the ways that not everybody may pass."""
    ways = (place for path in paths for place in (*reversed(path.parents), path))
    return next((place for place in ways if place.exists() and not place.stat().st_mode & stat.S_IXOTH), None)


def _mode(path: Path) -> str:
    return f"{path.stat().st_mode & 0o777:04o}"
