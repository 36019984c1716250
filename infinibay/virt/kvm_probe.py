"""Whether KVM really runs a guest on this host, found out by running one for a moment and remembered until the reboot.

Some hosts offer a /dev/kvm on which domains start and guests then stand still. The probe's guest (see `kvm_rom.s`)
ends by itself within 0.1 s where KVM works; where it does not, QEMU stops at the first instruction that it cannot do.
"""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from infinibay.errors import HostFailure
from infinibay.host import process
from infinibay.host.process import Account, Finished
from infinibay.host.resources import boot_id
from infinibay.libvirtxml.element import parse
from infinibay.log import get_logger
from infinibay.virt import kvm_rom, qemu_log
from infinibay.virt.api import KvmVerdict

log = get_logger(__name__)

_DEVICE = Path("/dev/kvm")
_SECONDS = 3.0
_GOOD = 33  # isa-debug-exit ends QEMU with 2 * value + 1, and the guest writes 16.


@dataclass(frozen=True)
class _Circumstances:
    """What a verdict holds for: another boot, QEMU or access to the device asks for a new one."""

    boot: str
    qemu: str
    device: str


class KvmProbe:
    """Keeps its verdict in `<run_dir>/kvm-probe.json`."""

    def __init__(self, run_dir: Path) -> None:
        self._file = run_dir / "kvm-probe.json"
        self._lock = asyncio.Lock()

    async def verdict(self, hypervisor_version: str, owner: tuple[int, int] | None) -> KvmVerdict:
        """`owner` is QEMU's own account, which has to reach the device; only root can take its place."""
        async with self._lock:
            account = await asyncio.to_thread(_account, *owner) if owner else None
            now = _Circumstances(boot_id(), hypervisor_version, f"{_device()} {account}")
            if (known := self._recall(now)) is not None:
                return known
            found = await _run(account if os.geteuid() == 0 else None)
            log.info("virt.kvm_probed", works=found.works, reason=found.reason)
            self._remember(now, found)
            return found

    def _recall(self, now: _Circumstances) -> KvmVerdict | None:
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            if kept["circumstances"] == asdict(now):
                return KvmVerdict(bool(kept["works"]), str(kept["reason"]))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("virt.kvm_verdict_unreadable", file=str(self._file), reason=str(error))
        return None

    def _remember(self, now: _Circumstances, found: KvmVerdict) -> None:
        if not self._file.parent.is_dir():
            return  # The server makes its folders with modes of their own; a look at the host makes none.
        new = self._file.with_name(f".{self._file.name}-{os.getpid()}")
        try:
            new.write_text(json.dumps({"circumstances": asdict(now), **asdict(found)}), encoding="utf-8")
            new.replace(self._file)
        except OSError as error:
            log.warning("virt.kvm_verdict_not_kept", file=str(self._file), reason=str(error))


def qemu_owner(capabilities_xml: str) -> tuple[int, int] | None:
    """User and group as which libvirt runs QEMU; None where libvirt does not change them."""
    label = parse(capabilities_xml).findtext("host/secmodel[model='dac']/baselabel[@type='kvm']")
    if label is None:
        return None
    uid, gid = (int(part.lstrip("+")) for part in label.split(":"))
    return uid, gid


def _account(uid: int, gid: int) -> Account:
    """With the groups of today: whoever is told to let QEMU reach the device may give its account another one."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return Account(uid, gid)
    # libvirt gives QEMU the groups of the account's own entry, which on Debian is how it reaches /dev/kvm.
    return Account(uid, gid, tuple(os.getgrouplist(entry.pw_name, entry.pw_gid)))


async def run_rom(acceleration: str, account: Account | None, seconds: float) -> Finished:
    """Runs the probe's guest; exit code 33 means that it came to its end. Raises HostFailure without QEMU."""
    with tempfile.TemporaryDirectory(prefix="infinibay-kvm-") as folder:
        rom = _write_rom(Path(folder))
        return await process.run(_command(acceleration, rom), seconds=seconds, account=account)


def _write_rom(folder: Path) -> Path:
    rom = folder / "probe.rom"
    rom.write_bytes(kvm_rom.image())
    # QEMU's own account has to read it.
    folder.chmod(0o755)
    rom.chmod(0o644)
    return rom


async def _run(account: Account | None) -> KvmVerdict:
    try:
        ended = await run_rom("kvm", account, _SECONDS)
    except HostFailure as error:
        return KvmVerdict(works=False, reason=error.message)
    if ended.code == _GOOD:
        return KvmVerdict(works=True, reason="A test guest ran under KVM.")
    said = [line for line in ended.stderr.splitlines() if line and "warning:" not in line]
    words = qemu_log.kvm_failure(said) or "; ".join(said[:1]) or "QEMU said nothing"
    did = "did not run to its end" if ended.timed_out else "could not be started"
    return KvmVerdict(works=False, reason=f"A test guest {did} under KVM: {words}")


def _command(acceleration: str, rom: Path) -> list[str]:
    return [
        "qemu-system-x86_64",
        *("-machine", f"q35,accel={acceleration}"),
        *("-cpu", "qemu64"),
        *("-m", "16"),
        *("-nodefaults", "-nographic", "-no-reboot"),
        *("-bios", str(rom)),
        *("-device", "isa-debug-exit,iobase=0xf4,iosize=1"),
        *("-monitor", "none"),
        *("-serial", "none"),
    ]


def _device() -> str:
    try:
        found = _DEVICE.stat()
    except OSError as error:
        return str(error.strerror)
    return f"{found.st_mode:o} {found.st_uid}:{found.st_gid}"
