"""Debian: a preseed file in the root of the installer's initrd, which reads it before its first question."""

from __future__ import annotations

from infinibay.core.operating_systems import Family
from infinibay.errors import BadUserInput, FieldProblem
from infinibay.unattended.checks import DEB_PACKAGE, linux_problems
from infinibay.unattended.installation import Installation, Interpreter, Keyboard
from infinibay.unattended.linux import AGENT_PACKAGE, access_task, first_boot_archive
from infinibay.unattended.quoting import preseed_value, shell_word
from infinibay.unattended.reports import Event, patience, report_line
from infinibay.unattended.templates import template

_ARCHIVE = "infinibay-setup.tar.gz"
_DISK = "/dev/vda"
_DEFAULT_MIRROR = "http://deb.debian.org/debian"
# What the installer keeps for the system beyond the accounts of every Linux; it would ask for another name and wait.
_KEPT_NAMES = (
    "admin alias asterisk bind ceph cupsys dcc dhcp dictd dnsmasq dovecot fetchmail firebird ftn fuse gdm "
    "grsec-proc grsec-sock-all grsec-sock-clt grsec-sock-srv grsec-tpe haclient hacluster haldaemon hplilp identd "
    "jwhois klog libvirt-qemu lpadmin mysql mythtv netplan opensrf powerdev qmail qmaild qmaill qmailp qmailq "
    "qmailr qmails radvd saned sbuild scanner slocate slurm sslwrap statd tac-plus telnetd tftpd vchkpw vpopmail"
)


class DebianManager:
    """The network and DVD media of 11 to 13."""

    label = None
    interpreter: Interpreter = "sh"

    def problems(self, installation: Installation) -> tuple[FieldProblem, ...]:
        problems = linux_problems(installation, Family.DEBIAN, DEB_PACKAGE)
        if (username := installation.account.name) in _KEPT_NAMES.split():
            problems.append(
                FieldProblem("username", f"Debian's installer keeps the username {username} for the system")
            )
        if username.startswith("_"):
            problems.append(FieldProblem("username", "Debian's installer takes a username that starts with a letter"))
        return tuple(problems)

    def files(self, installation: Installation) -> dict[str, bytes]:
        if problems := self.problems(installation):
            raise BadUserInput(*problems)
        questions = [
            *_place(installation),
            *_network(installation),
            *_mirror(installation.mirror),
            *_account(installation),
            *_disk(),
            *_software(),
            ("preseed/early_command", "string", _early_command(installation.report_port)),
            ("preseed/late_command", "string", _late_command(installation)),
        ]
        lines = [preseed_line(*question) for question in questions]
        access = (access_task(installation),) if installation.ssh_keys else ()
        return {
            "preseed.cfg": "".join(lines).encode(),
            _ARCHIVE: first_boot_archive(installation, _installer(installation.mirror), access),
        }

    def kernel_arguments(self, iso_label: str) -> tuple[str, ...]:  # noqa: ARG002 - its initrd finds the ISO itself.
        return ("auto=true", "priority=critical", "DEBIAN_FRONTEND=text", "console=ttyS0")


Question = tuple[str, str, str]


def preseed_line(name: str, kind: str, value: str) -> str:
    """One answer; all that follows the blank after the type is the value."""
    owner = "tasksel" if name.startswith("tasksel/") else "d-i"
    return f"{owner} {name} {kind} {preseed_value(value)}".rstrip() + "\n"


def _place(installation: Installation) -> list[Question]:
    return [
        ("debian-installer/locale", "string", f"{installation.locale}.UTF-8"),
        ("keyboard-configuration/xkb-keymap", "select", _keymap(installation.keyboard)),
        ("clock-setup/utc", "boolean", "true"),
        # Virtual hardware knows the time, and a time server may be out of reach.
        ("clock-setup/ntp", "boolean", "false"),
        ("time/zone", "string", installation.time_zone),
    ]


def _network(installation: Installation) -> list[Question]:
    """`netcfg/hostname` wins over the name that DHCP gives."""
    name = installation.host_name
    questions = [
        ("netcfg/choose_interface", "select", "auto"),
        ("netcfg/hostname", "string", name),
        ("netcfg/get_hostname", "string", name),
        ("netcfg/get_domain", "string", ""),
        ("hw-detect/load_firmware", "boolean", "false"),
    ]
    if (network := installation.network) is not None:
        questions += [
            ("netcfg/disable_autoconfig", "boolean", "true"),
            ("netcfg/get_ipaddress", "string", str(network.address.ip)),
            ("netcfg/get_netmask", "string", str(network.address.netmask)),
            ("netcfg/get_gateway", "string", str(network.gateway)),
            ("netcfg/get_nameservers", "string", " ".join(str(server) for server in network.name_servers)),
            ("netcfg/confirm_static", "boolean", "true"),
        ]
    return questions


def _mirror(mirror: str | None) -> list[Question]:
    """Without a mirror near by, the medium alone: the first boot names Debian's own."""
    services: Question = ("apt-setup/services-select", "multiselect", "")
    cdrom: list[Question] = [
        ("apt-setup/cdrom/set-first", "boolean", "false"),
        ("apt-setup/cdrom/set-next", "boolean", "false"),
        ("apt-setup/cdrom/set-failed", "boolean", "false"),
        services,
    ]
    if mirror is None:
        return [
            ("apt-setup/use_mirror", "boolean", "false"),
            ("apt-setup/no_mirror", "boolean", "true"),
            *cdrom,
        ]
    protocol, _, place = mirror.partition("://")
    host, _, directory = place.partition("/")
    return [
        ("apt-setup/use_mirror", "boolean", "true"),
        ("mirror/protocol", "select", protocol),
        ("mirror/country", "string", "manual"),
        (f"mirror/{protocol}/hostname", "string", host),
        (f"mirror/{protocol}/directory", "string", f"/{directory.rstrip('/')}"),
        (f"mirror/{protocol}/proxy", "string", ""),
        *cdrom,
    ]


def _account(installation: Installation) -> list[Question]:
    account = installation.account
    return [
        ("passwd/root-login", "boolean", "false"),
        ("passwd/user-fullname", "string", account.full_name or account.name),
        ("passwd/username", "string", account.name),
        ("passwd/user-password-crypted", "password", account.password_hash or ""),
    ]


def _disk() -> list[Question]:
    """The whole of the one disk. The installer takes the layout of the firmware that it runs on."""
    return [
        ("partman-auto/disk", "string", _DISK),
        ("partman-auto/method", "string", "regular"),
        ("partman-auto/choose_recipe", "select", "atomic"),
        ("partman-partitioning/confirm_write_new_label", "boolean", "true"),
        ("partman/choose_partition", "select", "finish"),
        ("partman/confirm", "boolean", "true"),
        ("partman/confirm_nooverwrite", "boolean", "true"),
        ("partman-efi/non_efi_system", "boolean", "true"),
        ("grub-installer/only_debian", "boolean", "true"),
        ("grub-installer/bootdev", "string", _DISK),
        # Boots the disk also when the firmware has forgotten the entry.
        ("grub-installer/force-efi-extra-removable", "boolean", "true"),
    ]


def _software() -> list[Question]:
    return [
        ("tasksel/first", "multiselect", "standard, ssh-server"),
        ("pkgsel/upgrade", "select", "none"),
        ("popularity-contest/participate", "boolean", "false"),
        ("finish-install/reboot_in_progress", "note", ""),
        ("debian-installer/exit/poweroff", "boolean", "true"),
    ]


def _early_command(port: str) -> str:
    """Tells that the installer runs, and holds nothing up."""
    return f"{_report(port, 'started')} </dev/null >/dev/null 2>&1 &"


def _late_command(installation: Installation) -> str:
    """The agent comes from the medium if that has it; the first boot tries again."""
    inside = f"apt-get -q -y install {AGENT_PACKAGE} || true"
    return (
        f"cp /{_ARCHIVE} /target/root/setup.tar.gz && in-target tar -xzf /root/setup.tar.gz -C /"
        f" && rm /target/root/setup.tar.gz && in-target sh -c {shell_word(inside)}"
        f" && {_report(installation.report_port, 'installed')}"
    )


def _report(port: str, event: Event) -> str:
    """As `linux.report_command`, in the installer's own shell, which has no `timeout`.

    After some seconds the port is free again: there is room for one writer.
    """
    path = shell_word(f"/dev/virtio-ports/{port}")
    left = f"n={patience(event)}; while [ $n -gt 0 ] && kill -0 $! 2>/dev/null; do sleep 1; n=$((n - 1)); done"
    tell = f"echo {shell_word(report_line(event))} >{path} & {left}; kill $! 2>/dev/null || true"
    return f"{{ [ ! -c {path} ] || sh -c {shell_word(tell)}; }}"


def _installer(mirror: str | None) -> str:
    named = f"mirror={shell_word(mirror or _DEFAULT_MIRROR)}\n"
    return named + template("debian_sources.sh") + template("apt_install.sh")


def _keymap(keyboard: Keyboard) -> str:
    return f"{keyboard.layout}({keyboard.variant})" if keyboard.variant else keyboard.layout
