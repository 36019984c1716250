"""Images for tests: the system of the tests' installers on a disk that boots, with what stands for cloud-init, or for
a Windows that sysprep has generalised.

It prints `installed system HOST ready` on its first serial port.
"""

from __future__ import annotations

import gzip
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.support import guest_parts
from tests.support.guest_parts import CACHE
from tests.support.installer_iso import SECTOR, SYSTEM_SECTORS, installed_system, sources_key
from tests.support.packages import run

_FOLDERS = ("boot", "dev", "proc", "run", "sys", "tmp", "root", "home", "var/lib", "var/log", "etc/cloud")
_WINDOWS = Path(__file__).with_name("windows")
_PASSWD, _GROUP, _SHADOW = "root:x:0:0:root:/root:/bin/sh\n", "root:x:0:\n", "root:!:19000::::::\n"


def build_cloud_image(cache: Path = CACHE) -> Path:
    """The path of the qcow2 file; built at the first call, and whenever its sources change."""
    return _build(cache, "cloud")


def build_windows_image(cache: Path = CACHE) -> Path:
    """The same of the one that stands for Windows. Its sysprep refuses while `/var/lib/windows/store-app` names an app.
    Once it is set up, it prints `Windows has started again as HOST` at each start."""
    return _build(cache, "windows", *_WINDOWS.iterdir())


def _build(cache: Path, name: str, *programs: Path) -> Path:
    image = cache / f"{name}-{guest_parts.key(Path(__file__), *programs)}-{sources_key()}.qcow2"
    if image.exists():
        return image
    system = installed_system(cache)
    with tempfile.TemporaryDirectory(dir=cache, prefix="build-") as folder:
        work = Path(folder)
        root, partition, disk, built = work / "root", work / "partition", work / "disk", work / "image.qcow2"
        root.mkdir()
        run("cpio", "-idm", "--quiet", cwd=root, data=gzip.decompress((system / "initrd").read_bytes()))
        _complete(root, system)
        if programs:
            _exchange(root, programs)
        with partition.open("wb") as file:
            file.truncate(SYSTEM_SECTORS * SECTOR)
        run("mke2fs", "-q", "-t", "ext4", "-L", "system", "-d", root, partition, cwd=work)
        disk.write_bytes(gzip.decompress((system / "disk").read_bytes()) + partition.read_bytes())
        run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", disk, built, cwd=work)
        built.replace(image)
    return image


def _exchange(root: Path, programs: Sequence[Path]) -> None:
    """What stands for Windows in place of cloud-init, under whose name the system starts it; the agent is there."""
    for program in programs:
        shutil.copy(program, root / "usr/bin" / ("cloud-init" if program.name == "setup" else program.name))
    shutil.copy(root / "usr/lib/qemu-ga", root / "usr/sbin")


def _complete(root: Path, system: Path) -> None:
    """What an installer adds to its own root file system, for nobody in particular."""
    for folder in _FOLDERS:
        (root / folder).mkdir(parents=True, exist_ok=True)
    for applet in run(root / "bin/busybox", "--list", cwd=root).decode().split():
        if not (root / "bin" / applet).exists():
            (root / "bin" / applet).symlink_to("busybox")
    shutil.copy(system / "kernel", root / "boot/installed-kernel")
    shutil.copy(system / "initrd", root / "boot/installed-initrd")
    for name, text in (("hostname", "image\n"), ("passwd", _PASSWD), ("group", _GROUP), ("shadow", _SHADOW)):
        (root / "etc" / name).write_text(text)
    (root / "etc/shadow").chmod(0o600)
