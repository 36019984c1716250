"""Systems that come as an image: their cloud-init takes the answers from NoCloud's medium, labelled CIDATA."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

import yaml

from infinibay.core.operating_systems import Family
from infinibay.errors import BadUserInput, FieldProblem
from infinibay.unattended.checks import DEB_PACKAGE, RPM_PACKAGE, linux_problems
from infinibay.unattended.installation import Installation, Interpreter
from infinibay.unattended.linux import SETUP_HOME, first_boot_archive, report_command
from infinibay.unattended.quoting import shell_word
from infinibay.unattended.templates import template

_ARCHIVE = "/run/infinibay/setup.tar.gz"
_ANY_ADDRESS = "any_address"
# Without its medium cloud-init would take the machine for a new one at the next start, and set it up with nothing.
_DISABLED = "/etc/cloud/cloud-init.disabled"
_PACKAGES: dict[Family, tuple[re.Pattern[str], str, str]] = {
    Family.UBUNTU: (DEB_PACKAGE, "apt_install.sh", "sudo"),
    Family.DEBIAN: (DEB_PACKAGE, "apt_install.sh", "sudo"),
    Family.REDHAT: (RPM_PACKAGE, "dnf_install.sh", "wheel"),
}


class CloudManager:
    """Every Linux that has cloud-init. KeyError for a family that has none."""

    label = "CIDATA"
    interpreter: Interpreter = "sh"

    def __init__(self, family: Family) -> None:
        self._family = family
        self._package, self._installer, self._group = _PACKAGES[family]

    def problems(self, installation: Installation) -> tuple[FieldProblem, ...]:
        return tuple(linux_problems(installation, self._family, self._package))

    def files(self, installation: Installation) -> dict[str, bytes]:
        if problems := self.problems(installation):
            raise BadUserInput(*problems)
        user_data = "#cloud-config\n" + yaml.safe_dump(self._config(installation), sort_keys=False)
        # Another password's hash, and so another machine, gives another digest: what is new to cloud-init is set up.
        digest = hashlib.sha256(user_data.encode()).hexdigest()[:16]
        meta_data = {"instance-id": f"infinibay-{digest}", "local-hostname": installation.host_name}
        return {"user-data": user_data.encode(), "meta-data": yaml.safe_dump(meta_data).encode()}

    def kernel_arguments(self, iso_label: str) -> tuple[str, ...]:  # noqa: ARG002 - its own boot loader has them.
        return ()

    def _config(self, installation: Installation) -> dict[str, Any]:
        keyboard = installation.keyboard
        beside = {_ANY_ADDRESS: template("any_address.sh")}
        archive = first_boot_archive(installation, template(self._installer), beside=beside)
        begin = report_command(installation.report_port, "started")
        return {
            "hostname": installation.host_name,
            "manage_etc_hosts": True,
            "preserve_hostname": False,
            "locale": f"{installation.locale}.UTF-8",
            "keyboard": {"layout": keyboard.layout, "variant": keyboard.variant},
            "timezone": installation.time_zone,
            "users": [self._account(installation)],
            "ssh_pwauth": True,
            "write_files": [
                {
                    "path": _ARCHIVE,
                    "permissions": "0600",
                    "encoding": "b64",
                    "content": base64.b64encode(archive).decode(),
                }
            ],
            "bootcmd": [f"cloud-init-per instance infinibay-started sh -c {shell_word(begin)}"],
            "runcmd": [
                f"tar -xzf {_ARCHIVE} -C /",
                f"rm -f {_ARCHIVE}",
                f"sh /{SETUP_HOME}/{_ANY_ADDRESS}",
                f"touch {_DISABLED}",
                "systemctl daemon-reload",
                "systemctl start --no-block infinibay-setup.service",
            ],
        }

    def _account(self, installation: Installation) -> dict[str, Any]:
        account = installation.account
        made: dict[str, Any] = {
            "name": account.name,
            "gecos": account.full_name or account.name,
            "groups": [self._group],
            "shell": "/bin/bash",
            "lock_passwd": False,
            # Unlike `passwd` it also counts for an account that the image has already.
            "hashed_passwd": account.password_hash,
        }
        if installation.ssh_keys:
            made["ssh_authorized_keys"] = list(installation.ssh_keys)
        return made
