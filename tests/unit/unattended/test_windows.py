"""The answer file of Windows against a model of what Setup demands, and the script of the first logon."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from lxml import etree

from infinibay.unattended.factory import create_unattended_manager
from infinibay.unattended.installation import Application, Installation, Script
from infinibay.unattended.templates import template
from tests.support.installations import IMAGES, WINDOWS, plain, varied
from tests.support.powershell import grammar, walk
from tests.unit.unattended.windows_model import NAMESPACES, WCM, check_model, texts


def answers(installation: Installation, system: str = "windows11") -> etree._Element:
    return etree.fromstring(create_unattended_manager(system).files(installation)["autounattend.xml"])


@pytest.mark.parametrize("system", WINDOWS)
def test_thirty_varied_requests_hold_the_model(system: str) -> None:
    for installation in varied(system, 30):
        check_model(answers(installation, system))


def test_the_model_finds_what_is_wrong() -> None:
    good = create_unattended_manager("windows11").files(plain("windows11"))["autounattend.xml"].decode()
    for old, new in (
        ("<LogonCount>1</LogonCount>", ""),
        ("<LogonCount>1<", "<LogonCount>2<"),
        ("<ComputerName>vm1<", "<ComputerName>12345<"),
        ("<ComputerName>vm1<", f"<ComputerName>{'a' * 16}<"),
        ("oobeSystem", "auditUser"),
        ("International-Core-WinPE", "International-Core"),
        ('language="neutral"', 'language="en-US"'),
        (' wcm:action="add"', ""),
        ("<WillWipeDisk>true</WillWipeDisk>", "<WillWipeDisk>yes</WillWipeDisk>"),
        ("<AcceptEula>true</AcceptEula>", "<AcceptEula>true</AcceptEula><Misspelt/>"),
        ("W269N-", "W269-"),
    ):
        assert old in good
        with pytest.raises((AssertionError, etree.DocumentInvalid)):
            check_model(etree.fromstring(good.replace(old, new, 1).encode()))


@pytest.mark.parametrize(
    ("firmware", "partitions", "target"),
    [
        ("efi", [("EFI", "300"), ("MSR", "16"), ("Primary", None)], "3"),
        ("bios", [("Primary", "500"), ("Primary", None)], "2"),
    ],
)
def test_the_disk_suits_the_firmware(firmware: str, partitions: list[tuple[str, str | None]], target: str) -> None:
    root = answers(replace(plain("windows10"), firmware=firmware), "windows10")  # type: ignore[arg-type]

    created = [
        (part.findtext("u:Type", namespaces=NAMESPACES), part.findtext("u:Size", namespaces=NAMESPACES))
        for part in root.iterfind(".//u:CreatePartition", NAMESPACES)
    ]
    assert created == partitions
    assert texts(root, "InstallTo/PartitionID") == [target]
    assert texts(root, "ModifyPartition/Active") == (["true"] if firmware == "bios" else [])
    # Only partitions that can be formatted are, and the last one is the new system's.
    assert "2" not in texts(root, "ModifyPartition/PartitionID") or firmware == "bios"
    assert texts(root, "ModifyPartition/Letter") == ["C"]


def test_the_drivers_are_looked_for_on_each_drive() -> None:
    root = answers(plain("windows11"))

    paths = [str(path) for path in texts(root, "PathAndCredentials/Path")]
    keys = [item.get(f"{WCM}keyValue") for item in root.iterfind(".//u:PathAndCredentials", NAMESPACES)]
    assert keys == [str(number) for number in range(1, len(paths) + 1)]
    letters = {path[0] for path in paths}
    assert letters == set("CDEFGHIJKLMNOPQRSTUVWYZ")
    for letter in letters:
        assert {path[3:] for path in paths if path[0] == letter} == {
            rf"{driver}\w11\amd64" for driver in ("viostor", "vioscsi", "NetKVM", "vioserial")
        }
    assert {path.split("\\")[2] for path in texts(answers(plain("windows10"), "windows10"), "Path") if path} == {"w10"}


def test_the_edition_and_the_language_are_the_medium_s() -> None:
    images = (replace(IMAGES[2], language="de-DE"), replace(IMAGES[1], language="de-DE"))
    medium = replace(plain("windows11").medium, images=images)
    root = answers(replace(plain("windows11"), medium=medium, edition="Education", locale="fr_FR"))

    assert texts(root, "InstallFrom/MetaData/Value") == ["4"]
    assert set(texts(root, "UILanguage")) == {"de-DE"}
    assert set(texts(root, "UserLocale")) == set(texts(root, "SystemLocale")) == {"fr-FR"}
    key = "NW6C2-QMPVW-D7KKK-3GKT6-VCFB2"
    assert texts(root, "ProductKey/Key") == [key]
    assert texts(root, "component/ProductKey")[-1] == key


def test_no_check_of_windows_is_switched_off() -> None:
    files = create_unattended_manager("windows11").files(plain("windows11"))
    everything = b"".join(files.values())
    for forbidden in (b"LabConfig", b"Bypass" + b"TPM", b"EnableLUA", b"RunSynchronous", b"SkipMachineOOBE"):
        assert forbidden not in everything


def test_one_command_of_the_first_logon_finds_the_script() -> None:
    root = answers(plain("windows11"))
    (command,) = texts(root, "FirstLogonCommands/SynchronousCommand/CommandLine")
    assert command is not None
    found = re.fullmatch(
        r'cmd\.exe /d /c "for %d in \(([A-Z ]+)\) do if exist (%d:\\\S+)'
        r' \(powershell\.exe -NoProfile -ExecutionPolicy Bypass -File (\S+) & exit\)"',
        command,
    )
    assert found is not None
    assert found[1].split() == list("CDEFGHIJKLMNOPQRSTUVWYZ")
    assert found[2] == found[3]
    path = found[2].removeprefix("%d:\\").replace("\\", "/")
    assert path in create_unattended_manager("windows11").files(plain("windows11"))


def test_applications_and_scripts_are_programs_beside_the_script() -> None:
    installation = replace(
        plain("windows11"),
        applications=(Application("app", ("winget install -e --id 'Öl'", "Do-More")),),
        scripts=(Script("one", "Write-Output 'é'\n", "powershell"), Script("two", "echo é\r\nexit 3\n", "cmd")),
    )

    files = create_unattended_manager("windows11").files(installation)

    plan = json.loads(files["infinibay/plan.json"])
    assert plan["tasks"] == [
        {"kind": "application", "id": "app", "file": "task001.ps1"},
        {"kind": "script", "id": "one", "file": "task002.ps1"},
        {"kind": "script", "id": "two", "file": "task003.cmd"},
    ]
    check = "if ($LASTEXITCODE -notin 0, 1641, 3010) { exit $LASTEXITCODE }"
    assert files["infinibay/task001.ps1"].decode("utf-8-sig").split("\r\n") == [
        "$ErrorActionPreference = 'Stop'",
        "$global:LASTEXITCODE = 0",
        "winget install -e --id 'Öl'",
        check,
        "Do-More",
        check,
        "exit 0",
        "",
    ]
    assert files["infinibay/task002.ps1"] == b"\xef\xbb\xbfWrite-Output '\xc3\xa9'\r\n"
    assert files["infinibay/task003.cmd"] == "echo é\r\nexit 3\r\n".encode()


def test_the_script_is_powershell_and_restarts_once_at_its_very_end() -> None:
    text = template("first_logon.ps1").encode("ascii")
    root = grammar(text)

    commands = [
        (node.text or b"").decode()
        for node in walk(root)
        if node.type == "command" and b"shutdown" in (node.text or b"")
    ]
    assert commands == ["& shutdown.exe /r /t 5"]
    assert text.rstrip().endswith(b"finally {\n    & shutdown.exe /r /t 5\n}")
    defined = [(node.text or b"").decode() for node in walk(root) if node.type == "function_name"]
    assert len(defined) == len(set(defined))
    assert all(text.decode().count(name) > 1 for name in defined)
