"""The answer files, pass by pass: the installer's, and that of a generalised system, which has no installer."""

from __future__ import annotations

from tzlocal.windows_tz import tz_win

from infinibay.core.operating_systems import OperatingSystem
from infinibay.unattended.installation import Firmware, Installation, StaticNetwork
from infinibay.unattended.keyboards import windows_input_locale
from infinibay.unattended.names import computer_name
from infinibay.unattended.windows.editions import Choice, choose
from infinibay.unattended.windows.elements import (
    Element,
    component,
    configuration_pass,
    document,
    group,
    item,
    leaf,
    password,
)

SETUP = "infinibay\\setup.ps1"

# Windows gives its letters to the drives as it finds them; X is the installer's own.
_LETTERS = "CDEFGHIJKLMNOPQRSTUVWYZ"
# The folders of the virtio driver medium with what a machine of ours has: disk, network and the ports of the reports.
_DRIVERS = ("viostor", "vioscsi", "NetKVM", "vioserial")
_DRIVER_FOLDERS = {"windows10": "w10", "windows11": "w11"}
_ORGANIZATION = "infinibay"


def answer_file(installation: Installation, system: OperatingSystem) -> bytes:
    """`autounattend.xml` of an installation that has no problems. Raises BadUserInput as `editions.choose` does."""
    choice = choose(installation)
    language = _language(installation, choice)
    return document(
        configuration_pass(
            "windowsPE",
            component(
                "International-Core-WinPE",
                group("SetupUILanguage", leaf("UILanguage", language)),
                *_languages(installation, language),
            ),
            component("PnpCustomizationsWinPE", _driver_paths(_DRIVER_FOLDERS[system.name])),
            component("Setup", _disk(installation.firmware), _image(installation.firmware, choice), _user(choice)),
        ),
        _specialize(installation, choice.product_key),
        _oobe_system(installation, language),
    )


def generalised_answer_file(installation: Installation) -> bytes:
    """`unattend.xml` for the first start of a system that sysprep has generalised: its disk, edition and language stay
    as they are, and its product key too unless one was given."""
    key = installation.product_key
    return document(_specialize(installation, key.upper() if key else None), _oobe_system(installation, None))


def _specialize(installation: Installation, product_key: str | None) -> Element:
    return configuration_pass(
        "specialize",
        component(
            "Shell-Setup",
            leaf("ComputerName", computer_name(installation.host_name)),
            None if product_key is None else leaf("ProductKey", product_key),
            leaf("RegisteredOrganization", _ORGANIZATION),
            leaf("RegisteredOwner", installation.account.full_name or installation.account.name),
            leaf("TimeZone", tz_win[installation.time_zone]),
        ),
        *(() if installation.network is None else _network(installation.network)),
    )


def _oobe_system(installation: Installation, language: str | None) -> Element:
    return configuration_pass(
        "oobeSystem",
        component("International-Core", *_languages(installation, language)),
        component("Shell-Setup", *_first_start(installation)),
    )


def _language(installation: Installation, choice: Choice) -> str:
    """The medium's own, since Setup asks for a language that it lacks."""
    images = installation.medium.images
    known = choice.image or (images[0] if images else None)
    return known.language if known else "en-US"


def _languages(installation: Installation, language: str | None) -> list[Element]:
    """Words in that language, or in the system's own without one; the formats as wished."""
    formats = installation.locale.replace("_", "-")
    return [
        leaf("InputLocale", windows_input_locale(installation.keyboard) or "0409:00000409"),
        leaf("SystemLocale", formats),
        *(() if language is None else (leaf("UILanguage", language),)),
        leaf("UserLocale", formats),
    ]


def _driver_paths(folder: str) -> Element:
    """Setup loads what it finds and passes over the rest; what it loads is in the new system too."""
    paths = [f"{letter}:\\{driver}\\{folder}\\amd64" for letter in _LETTERS for driver in _DRIVERS]
    return group(
        "DriverPaths",
        *(item("PathAndCredentials", leaf("Path", path), key=number) for number, path in enumerate(paths, 1)),
    )


def _disk(firmware: Firmware) -> Element:
    """The whole of the one disk. Without a recovery partition behind it, the last one can grow."""
    if firmware == "efi":
        created = [("EFI", 300), ("MSR", 16), ("Primary", None)]
        modified = [(1, "FAT32", "System", None), (3, "NTFS", "Windows", "C")]
    else:
        created = [("Primary", 500), ("Primary", None)]
        modified = [(1, "NTFS", "System", None), (2, "NTFS", "Windows", "C")]
    return group(
        "DiskConfiguration",
        item(
            "Disk",
            group("CreatePartitions", *(_created(order, *made) for order, made in enumerate(created, 1))),
            group(
                "ModifyPartitions",
                *(_modified(order, *made, firmware=firmware) for order, made in enumerate(modified, 1)),
            ),
            leaf("DiskID", 0),
            leaf("WillWipeDisk", value=True),
        ),
        leaf("WillShowUI", "Never"),
    )


def _created(order: int, kind: str, megabytes: int | None) -> Element:
    size = leaf("Extend", value=True) if megabytes is None else leaf("Size", megabytes)
    return item("CreatePartition", leaf("Order", order), size, leaf("Type", kind))


def _modified(
    order: int, partition: int, file_system: str, label: str, letter: str | None, *, firmware: Firmware
) -> Element:
    active = firmware == "bios" and partition == 1
    return item(
        "ModifyPartition",
        *((leaf("Active", value=True),) if active else ()),
        leaf("Format", file_system),
        leaf("Label", label),
        *((leaf("Letter", letter),) if letter else ()),
        leaf("Order", order),
        leaf("PartitionID", partition),
    )


def _image(firmware: Firmware, choice: Choice) -> Element:
    chosen = None
    if choice.image is not None:
        chosen = group("InstallFrom", item("MetaData", leaf("Key", "/IMAGE/INDEX"), leaf("Value", choice.image.index)))
    partition = 3 if firmware == "efi" else 2
    return group(
        "ImageInstall",
        group(
            "OSImage",
            chosen,
            group("InstallTo", leaf("DiskID", 0), leaf("PartitionID", partition)),
            leaf("WillShowUI", "Never"),
        ),
    )


def _user(choice: Choice) -> Element:
    return group(
        "UserData",
        group("ProductKey", leaf("Key", choice.product_key), leaf("WillShowUI", "OnError")),
        leaf("AcceptEula", value=True),
        leaf("Organization", _ORGANIZATION),
    )


def _network(network: StaticNetwork) -> list[Element]:
    """Windows names an interface by its MAC address with dashes."""
    interface = network.mac_address.replace(":", "-").upper()
    route = item(
        "Route",
        leaf("Identifier", 1),
        leaf("NextHopAddress", str(network.gateway)),
        leaf("Prefix", "0.0.0.0/0"),
    )
    settings = component(
        "TCPIP",
        group(
            "Interfaces",
            item(
                "Interface",
                group("Ipv4Settings", leaf("DhcpEnabled", value=False)),
                leaf("Identifier", interface),
                group("Routes", route),
                group("UnicastIpAddresses", _list_item("IpAddress", 1, str(network.address))),
            ),
        ),
    )
    if not network.name_servers:
        return [settings]
    servers = [_list_item("IpAddress", number, str(server)) for number, server in enumerate(network.name_servers, 1)]
    names = item("Interface", leaf("Identifier", interface), group("DNSServerSearchOrder", *servers))
    return [component("DNS-Client", group("Interfaces", names)), settings]


def _list_item(tag: str, key: int, value: str) -> Element:
    made = item(tag, key=key)
    made.text = value
    return made


def _first_start(installation: Installation) -> list[Element]:
    """One logon without a question, which runs one command: Windows starts several of them at the same time."""
    account = installation.account
    secret = account.password or ""
    return [
        group(
            "AutoLogon",
            password(secret),
            leaf("Enabled", value=True),
            leaf("LogonCount", 1),
            leaf("Username", account.name),
        ),
        group(
            "FirstLogonCommands",
            item("SynchronousCommand", leaf("CommandLine", _command()), leaf("Order", 1)),
        ),
        group(
            "OOBE",
            leaf("HideEULAPage", value=True),
            leaf("HideOnlineAccountScreens", value=True),
            leaf("HideWirelessSetupInOOBE", value=True),
            leaf("ProtectYourPC", 3),
        ),
        group(
            "UserAccounts",
            group(
                "LocalAccounts",
                item(
                    "LocalAccount",
                    password(secret),
                    leaf("DisplayName", account.full_name or account.name),
                    leaf("Group", "Administrators"),
                    leaf("Name", account.name),
                ),
            ),
        ),
    ]


def _command() -> str:
    """Finds the script on whatever drive the seed medium became, and runs it once."""
    run = f"powershell.exe -NoProfile -ExecutionPolicy Bypass -File %d:\\{SETUP}"
    return f'cmd.exe /d /c "for %d in ({" ".join(_LETTERS)}) do if exist %d:\\{SETUP} ({run} & exit)"'
