"""Ubuntu: autoinstall by NoCloud, on a medium labelled CIDATA."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

import yaml

from infinibay.core.operating_systems import Family
from infinibay.errors import BadUserInput, FieldProblem
from infinibay.unattended.checks import DEB_PACKAGE, linux_problems
from infinibay.unattended.installation import Installation, Interpreter
from infinibay.unattended.linux import AGENT_PACKAGE, access_task, first_boot_archive, report_command
from infinibay.unattended.templates import template

# cloud-init unpacks it into the running installer, whatever the medium that brought the answers.
_ARCHIVE = "/run/infinibay/setup.tar.gz"
_FIRST = (20, 4)
_FIRST_DESKTOP = (23, 4)
# Before, the mirror stood where curtin wants it.
_NEW_MIRRORS = (23, 4)
_FAILURE_LOG = "tail -n 200 /var/log/installer/subiquity-server-debug.log >/dev/ttyS0 || true"


class UbuntuManager:
    """Server since 20.04, and the desktop since 23.04, which has the same installer."""

    label = "CIDATA"
    interpreter: Interpreter = "sh"

    def problems(self, installation: Installation) -> tuple[FieldProblem, ...]:
        problems = linux_problems(installation, Family.UBUNTU, DEB_PACKAGE)
        if _version(installation) < _FIRST:
            problems.append(FieldProblem("isoId", "Ubuntu takes answers from 20.04 on"))
        elif _is_desktop(installation) and _version(installation) < _FIRST_DESKTOP:
            problems.append(
                FieldProblem("isoId", "The desktop's installer takes no answers before 23.04; take a server medium")
            )
        return tuple(problems)

    def files(self, installation: Installation) -> dict[str, bytes]:
        if problems := self.problems(installation):
            raise BadUserInput(*problems)
        document = {"autoinstall": _autoinstall(installation), "write_files": [_archive(installation)]}
        user_data = "#cloud-config\n" + yaml.safe_dump(document, sort_keys=False)
        digest = hashlib.sha256(user_data.encode()).hexdigest()[:16]
        return {
            "user-data": user_data.encode(),
            "meta-data": yaml.safe_dump({"instance-id": f"infinibay-{digest}"}).encode(),
        }

    def kernel_arguments(self, iso_label: str) -> tuple[str, ...]:  # noqa: ARG002 - its casper finds the ISO itself.
        return ("autoinstall", "ds=nocloud", "console=ttyS0")


def _autoinstall(installation: Installation) -> dict[str, Any]:
    account, keyboard = installation.account, installation.keyboard
    answers: dict[str, Any] = {
        "version": 1,
        "refresh-installer": {"update": False},
        "locale": f"{installation.locale}.UTF-8",
        "keyboard": {"layout": keyboard.layout, "variant": keyboard.variant},
        "timezone": installation.time_zone,
        "network": _network(installation),
        "apt": {"fallback": "offline-install", "geoip": False},
        "storage": {"layout": {"name": "direct", "match": {"size": "largest"}}},
        "identity": {
            "hostname": installation.host_name,
            "username": account.name,
            "realname": account.full_name or account.name,
            "password": account.password_hash,
        },
    }
    if installation.medium.variant is not None:
        answers["source"] = {"id": installation.medium.variant}
    if installation.mirror is not None:
        primary = [{"arches": ["default"], "uri": installation.mirror}]
        answers["apt"] |= (
            {"mirror-selection": {"primary": primary}}
            if _version(installation) >= _NEW_MIRRORS
            else {"primary": primary}
        )
    # A desktop medium has no SSH server, and asking its installer for one fails without a network.
    if not _is_desktop(installation):
        answers["ssh"] = {"install-server": True, "allow-pw": True, "authorized-keys": list(installation.ssh_keys)}
    return answers | _commands(installation)


def _commands(installation: Installation) -> dict[str, Any]:
    port = installation.report_port
    return {
        "early-commands": [report_command(port, "started")],
        "late-commands": [
            f"tar -xzf {_ARCHIVE} -C /target",
            # From the medium or the network if either has it now; the first boot tries again.
            f"curtin in-target -- apt-get -q -y install {AGENT_PACKAGE} || true",
            report_command(port, "installed"),
        ],
        "error-commands": [report_command(port, "failed"), _FAILURE_LOG],
        "shutdown": "poweroff",
    }


def _archive(installation: Installation) -> dict[str, Any]:
    access = (access_task(installation, "openssh-server"),) if _is_desktop(installation) else ()
    archive = first_boot_archive(installation, template("apt_install.sh"), access)
    return {
        "path": _ARCHIVE,
        "permissions": "0600",
        "encoding": "b64",
        "content": base64.b64encode(archive).decode(),
    }


def _network(installation: Installation) -> dict[str, Any]:
    network = installation.network
    if network is None:
        return {"version": 2, "ethernets": {"any": {"match": {"name": "e*"}, "dhcp4": True}}}
    interface: dict[str, Any] = {
        "match": {"macaddress": network.mac_address},
        "addresses": [str(network.address)],
        "routes": [{"to": "0.0.0.0/0", "via": str(network.gateway)}],
    }
    if network.name_servers:
        interface["nameservers"] = {"addresses": [str(server) for server in network.name_servers]}
    return {"version": 2, "ethernets": {"fixed": interface}}


def _version(installation: Installation) -> tuple[int, int]:
    """Year and month; zeros when the medium does not tell."""
    found = re.match(r"(\d{2})\.(\d{2})", installation.medium.version)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _is_desktop(installation: Installation) -> bool:
    return (installation.medium.variant or "").startswith("ubuntu-desktop")
