"""The unit as systemd's own programs read it, and the server within what the unit leaves it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from infinibay.services.installation import UNIT, Checkout, unit_text
from tests.support.guest_iso import build_guest_iso
from tests.support.product import ROOT, Product
from tests.support.wait import until

UNIT_TEXT = unit_text(Checkout(ROOT, Path(sys.executable)))


def infinibay(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["scripts/infinibay", *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )


def found(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())


def test_a_system_is_prepared_and_cleaned_again(tmp_path: Path) -> None:
    for wording in ("is written and starts", "is as it should be and starts"):
        done = infinibay("install", "--root", str(tmp_path))
        assert (done.returncode, done.stdout) == (
            0,
            f"{tmp_path}/etc/systemd/system/{UNIT} {wording} with the system.\n",
        )
        wants = f"etc/systemd/system/multi-user.target.wants/{UNIT}"
        assert found(tmp_path) == [f"etc/systemd/system/{UNIT}", wants]
    state = ["systemctl", f"--root={tmp_path}", "is-enabled", UNIT]
    assert subprocess.run(state, capture_output=True, text=True, check=True).stdout == "enabled\n"

    removed = infinibay("uninstall", "--root", str(tmp_path))

    assert (removed.returncode, found(tmp_path)) == (0, [])
    assert "Kept: /opt/infinibay with machines, database and keys." in removed.stdout


@pytest.mark.parametrize("folder", ["plain", "with blank, 100% and $HOME"])
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path, folder: str) -> None:
    place = tmp_path / folder
    place.mkdir()
    (place / "python").symlink_to(sys.executable)
    unit = tmp_path / UNIT
    unit.write_text(unit_text(Checkout(place, place / "python")))
    verified = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


def test_this_machine_s_own_services_are_left_alone_where_systemd_does_not_run() -> None:
    if Path("/run/systemd/system").is_dir():
        # There a real service would be made, which is not for a test to do.
        assert infinibay("uninstall").stdout == f"There is no {UNIT}; nothing was changed.\n"
        return
    done = infinibay("install")
    assert done.returncode == 1
    assert done.stderr.startswith("systemd does not run this machine")
    assert not (Path("/etc/systemd/system") / UNIT).exists()


class _Confined(Product):
    """Started as systemd starts the unit: /usr is read-only, rights are few, and no program it runs has more."""

    def _launch(self, role: str, fault: str) -> subprocess.Popen[bytes]:
        (lost,) = re.findall(r"^CapabilityBoundingSet=~(.*)$", UNIT_TEXT, re.MULTILINE)
        names = ",".join(f"-{name.removeprefix('CAP_').lower()}" for name in lost.split())
        mounts = 'mount --bind /usr /usr && mount -o remount,bind,ro /usr && exec "$@"'
        command = [
            *("unshare", "--mount", "--propagation", "private", "sh", "-euc", mounts, "sh"),
            *("setpriv", "--no-new-privs", f"--bounding-set={names}", f"--inh-caps={names}"),
            *(sys.executable, "-m", "infinibay", "serve"),
        ]
        with self.log.open("ab") as output:
            return subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **self.settings},
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
            )


async def test_the_server_works_within_what_the_unit_leaves_it() -> None:
    product = _Confined(build_guest_iso())
    try:
        await product.start()
        assert product.process is not None
        status = (Path("/proc") / str(product.process.pid) / "status").read_text()
        assert re.search(r"^NoNewPrivs:\s1$", status, re.MULTILINE)
        created = await product.create("confined")
        assert (await product.ended(created["operation"]["id"]))["state"] == "SUCCEEDED"

        # What `systemctl stop` does: the server alone is asked, and ends everything but the machines in order.
        product.process.send_signal(signal.SIGTERM)
        assert await until(lambda: _ended(product), 60, "the server's end") == "ended with 0"
        assert created["id"] in product.domains()
        assert not (product.base / "database" / "postmaster.pid").exists()
    finally:
        await product.close()


def _ended(product: Product) -> str | None:
    assert product.process is not None
    code = product.process.poll()
    return None if code is None else f"ended with {code}"
