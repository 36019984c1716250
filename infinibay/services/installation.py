"""The product as a service of systemd: installed and removed, while machines and data stay as they are."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, fields
from pathlib import Path

from infinibay.errors import InfinibayError
from infinibay.host.systemd import Systemd
from infinibay.settings import Settings

UNIT = "infinibay.service"
# Machines are libvirt's, in a control group of their own: whatever systemd kills here, they run on. The server ends in
# order when it alone is asked to, and takes its database with it. Settings are read from .env by the server itself,
# because systemd reads quotes, dollars and comments in such a file in another way.
_UNIT_TEXT = """\
[Unit]
Description=Virtual machines on this host from one GraphQL API
Wants=network-online.target libvirtd.service
After=network-online.target time-sync.target libvirtd.service virtlogd.service postgresql.service
StartLimitIntervalSec=0

[Service]
Type=exec
WorkingDirectory={folder}
ExecStart={command}
Restart=on-failure
RestartSec=5
KillMode=mixed
TimeoutStopSec=90
LimitNOFILE=65536
NoNewPrivileges=yes
ProtectSystem=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectHostname=yes
RestrictSUIDSGID=yes
RestrictRealtime=yes
LockPersonality=yes
SystemCallArchitectures=native
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
CapabilityBoundingSet=~CAP_SYS_ADMIN CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_BOOT CAP_SYS_TIME CAP_NET_ADMIN CAP_NET_RAW

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True)
class Checkout:
    """Where the product lies: the folder to start in, which holds `.env`, and the interpreter of its environment."""

    folder: Path
    python: Path


class Installation:
    """`is_root` is whether this process may change the machine's services."""

    def __init__(self, settings: Settings, checkout: Checkout, systemd: Systemd, *, is_root: bool) -> None:
        self._settings = settings
        self._checkout = checkout
        self._systemd = systemd
        self._is_root = is_root

    async def install(self, of_env_file: Settings, *, prepare_only: bool = False) -> list[str]:
        """Installs or brings up to date; the sentences say what was done. Raises InfinibayError.

        `of_env_file` are the settings without the environment's, which a service does not see. `prepare_only` is for
        a system that systemd does not run yet.
        """
        if not prepare_only:
            self._may_change("install")
        self._refuse_settings_of_the_environment(of_env_file)
        changed = self._systemd.write(UNIT, unit_text(self._checkout))
        await self._systemd.enable(UNIT, restart=changed)
        file = self._systemd.unit_file(UNIT)
        if not self._systemd.runs:
            return [f"{file} is {'written' if changed else 'as it should be'} and starts with the system."]
        settings = self._settings
        sentences = [
            f"{UNIT} is {'installed' if changed else 'as it should be'}: it runs, and starts with the machine.",
            f"Its address is http://{settings.host}:{settings.port}/graphql, its log: journalctl -u infinibay",
        ]
        if settings.default_admin_password is None:
            sentences.append(f"The first start writes the administrator's password to {settings.first_admin_file}.")
        return sentences

    async def uninstall(self, *, prepare_only: bool = False) -> list[str]:
        """Removes the service alone; the sentences say what is kept. Raises InfinibayError."""
        if not self._systemd.unit_file(UNIT).exists():
            return [f"There is no {UNIT}; nothing was changed."]
        if not prepare_only:
            self._may_change("uninstall", running=False)
        await self._systemd.remove(UNIT)
        base = self._settings.infinibay_base_dir
        return [
            f"{UNIT} is removed. Machines go on running.",
            f"Kept: {base} with machines, database and keys"
            + (", and the database at DATABASE_URL." if self._settings.database_url else "."),
            f"Once every machine is destroyed, this removes what is left: rm -rf {shlex.quote(str(base))}",
        ]

    def _may_change(self, verb: str, *, running: bool = True) -> None:
        if running and not self._systemd.runs:
            command = shlex.join([str(self._checkout.python), "-m", "infinibay", "serve"])
            raise InfinibayError(
                "systemd does not run this machine, so that it can't have a service of it.",
                remedy=f"Run scripts/start, or let what starts this machine run: "
                f"cd {shlex.quote(str(self._checkout.folder))} && {command}",
            )
        if not self._is_root:
            raise InfinibayError("The services of this machine are root's.", remedy=f"sudo scripts/infinibay {verb}")

    def _refuse_settings_of_the_environment(self, of_env_file: Settings) -> None:
        differing = [
            field.name.upper()
            for field in fields(Settings)
            if getattr(self._settings, field.name) != getattr(of_env_file, field.name)
        ]
        if differing:
            raise InfinibayError(
                f"The environment sets what a service would not see: {', '.join(differing)}.",
                remedy=f"Write it into {self._checkout.folder / '.env'}, and take it out of the environment.",
            )


def unit_text(checkout: Checkout) -> str:
    """The unit of a checkout, whose paths may hold blanks, quotes and percent signs."""
    command = f"{_quoted(str(checkout.python))} -m infinibay serve"
    return _UNIT_TEXT.format(folder=str(checkout.folder).replace("%", "%%"), command=command)


def _quoted(word: str) -> str:
    """The program of a command as systemd reads it: unlike in its arguments, a dollar stands for itself."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'
