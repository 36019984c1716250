"""Fedora, RHEL, Rocky and Alma: a kickstart file on a medium labelled OEMDRV."""

from __future__ import annotations

import base64
import textwrap

from infinibay.core.operating_systems import Family
from infinibay.errors import BadUserInput, FieldProblem
from infinibay.unattended.checks import RPM_PACKAGE, linux_problems
from infinibay.unattended.installation import Installation, Interpreter, Keyboard
from infinibay.unattended.linux import AGENT_PACKAGE, access_task, first_boot_archive, report_command
from infinibay.unattended.quoting import kickstart_word
from infinibay.unattended.templates import template

_LABEL = "OEMDRV"
_DISK = "vda"
# What udev leaves alone in a label; all else it writes as \xNN.
_LABEL_CHARACTERS = frozenset("#+-.:=@_/")


class RedHatManager:
    """The DVDs (and Fedora's Server and Everything media), which bring their packages, or a mirror for the others."""

    label = _LABEL
    interpreter: Interpreter = "sh"

    def problems(self, installation: Installation) -> tuple[FieldProblem, ...]:
        problems = linux_problems(installation, Family.REDHAT, RPM_PACKAGE)
        if not installation.medium.has_packages and installation.mirror is None:
            problems.append(FieldProblem("isoId", "This medium brings no packages; take the DVD"))
        return tuple(problems)

    def files(self, installation: Installation) -> dict[str, bytes]:
        if problems := self.problems(installation):
            raise BadUserInput(*problems)
        lines = [*_commands(installation), *_account(installation), *_disk(), *_sections(installation)]
        return {"ks.cfg": ("\n".join(lines) + "\n").encode()}

    def kernel_arguments(self, iso_label: str) -> tuple[str, ...]:
        return (
            f"inst.stage2=hd:LABEL={_escaped_label(iso_label)}",
            f"inst.ks=hd:LABEL={_LABEL}:/ks.cfg",
            "inst.cmdline",
            "console=ttyS0",
        )


def _commands(installation: Installation) -> list[str]:
    return [
        "text",
        "cdrom" if installation.medium.has_packages else f"url --url={kickstart_word(installation.mirror or '')}",
        f"lang {installation.locale}.UTF-8",
        f"keyboard --xlayouts={kickstart_word(_x_layout(installation.keyboard))}",
        f"timezone {installation.time_zone} --utc",
        _network(installation),
        "firstboot --disable",
        "poweroff",
    ]


def _account(installation: Installation) -> list[str]:
    account = installation.account
    options = {
        "name": account.name,
        "groups": "wheel",
        "password": kickstart_word(account.password_hash or ""),
        "gecos": kickstart_word(account.full_name or account.name),
    }
    return [
        "rootpw --lock",
        " ".join(("user --iscrypted", *(f"--{option}={value}" for option, value in options.items()))),
        "services --enabled=sshd",
    ]


def _disk() -> list[str]:
    """The whole of the one disk. Anaconda adds what the firmware at hand boots from to either layout."""
    return [
        "zerombr",
        f"ignoredisk --only-use={_DISK}",
        "clearpart --all --initlabel --disklabel=gpt",
        "autopart --type=plain --nohome",
    ]


def _network(installation: Installation) -> str:
    name = f"--hostname={installation.host_name}"
    network = installation.network
    if network is None:
        return f"network --bootproto=dhcp --device=link --activate {name}"
    servers = ",".join(str(server) for server in network.name_servers)
    return " ".join(
        (
            f"network --bootproto=static --device={network.mac_address} --ip={network.address.ip}",
            f"--netmask={network.address.netmask} --gateway={network.gateway}",
            f"--nameserver={servers}" if servers else "--nodns",
            f"--activate {name}",
        )
    )


def _sections(installation: Installation) -> list[str]:
    """The agent is left out where the medium lacks it: the first boot tries again."""
    port = installation.report_port
    # The installer's own command for keys takes one of each account.
    access = (access_task(installation),) if installation.ssh_keys else ()
    archive = base64.b64encode(first_boot_archive(installation, template("dnf_install.sh"), access)).decode()
    return [
        *("%packages --ignoremissing", "@core", AGENT_PACKAGE, "%end"),
        *("%pre", report_command(port, "started"), "%end"),
        "%post --log=/root/infinibay-post.log --erroronfail",
        "set -e",
        "base64 -d <<'ARCHIVE' | tar -xz -C /",
        *textwrap.wrap(archive, 76),
        "ARCHIVE",
        "restorecon -RF /var/lib/infinibay /etc/systemd/system || true",
        report_command(port, "installed"),
        "%end",
        *("%onerror", report_command(port, "failed"), "echo 'The installation failed' >/dev/ttyS0 || true", "%end"),
    ]


def _x_layout(keyboard: Keyboard) -> str:
    return f"{keyboard.layout} ({keyboard.variant})" if keyboard.variant else keyboard.layout


def _escaped_label(label: str) -> str:
    """The label as udev names its link, so that it stays one word on the kernel's command line."""
    return "".join(
        character
        if (character.isascii() and character.isalnum()) or character in _LABEL_CHARACTERS
        else "".join(f"\\x{byte:02x}" for byte in character.encode())
        for character in label
    )
