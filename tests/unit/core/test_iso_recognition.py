"""What the evidence on a medium says, by the words that the systems' makers write on theirs."""

from __future__ import annotations

import pytest

from infinibay.core.iso_recognition import Evidence, WindowsImage, recognize

BOTH = ("bios", "efi")
INSTALLER = frozenset({"install.amd/vmlinuz"})


def _tree(name: str, version: str, variant: str = "", arch: str = "x86_64") -> dict[str, str]:
    text = f"[general]\narch = {arch}\nvariant = {variant}\n[release]\nname = {name}\nversion = {version}\n"
    return {".treeinfo": text}


def _disk(info: str) -> dict[str, str]:
    return {".disk/info": info}


@pytest.mark.parametrize(
    ("evidence", "wanted"),
    [
        (
            Evidence("x", _disk('Ubuntu-Server 24.04.1 LTS "Noble Numbat" - Release amd64 (20240827)')),
            ("ubuntu", "24.04.1", ("Server",), "amd64"),
        ),
        (
            Evidence("x", _disk('Ubuntu 24.10 "Oracular Oriole" - Release amd64 (20241009)')),
            ("ubuntu", "24.10", ("Desktop",), "amd64"),
        ),
        (
            Evidence("x", _disk('Ubuntu-Server 22.04.5 LTS "Jammy Jellyfish" - Release arm64 (20240911)')),
            ("ubuntu", "22.04.5", ("Server",), "arm64"),
        ),
        (
            Evidence(
                "x", _disk('Debian GNU/Linux 12.5.0 "Bookworm" - Official amd64 NETINST with firmware'), INSTALLER
            ),
            ("debian", "12.5.0", ("NETINST",), "amd64"),
        ),
        (Evidence("x", _tree("Fedora", "41", "Server")), ("fedora", "41", ("Server",), "amd64")),
        (Evidence("x", _tree("Rocky Linux", "9.4", arch="aarch64")), ("rocky", "9.4", (), "arm64")),
        (Evidence("x", _tree("AlmaLinux", "9.4")), ("alma", "9.4", (), "amd64")),
        (Evidence("x", _tree("Red Hat Enterprise Linux", "9.4.0")), ("rhel", "9.4.0", (), "amd64")),
        (Evidence("Fedora-WS-Live-41-1-4"), ("fedora", "41", ("WS",), None)),
        (Evidence("Fedora-S-dvd-x86_64-40"), ("fedora", "40", ("S",), None)),
        (Evidence("RHEL-9-4-0-BaseOS-x86_64"), ("rhel", "9.4", ("BaseOS",), "amd64")),
        (Evidence("Rocky-9-4-x86_64-dvd"), ("rocky", "9.4", ("dvd",), "amd64")),
        (
            Evidence("x", images=(WindowsImage("Home", 22631, "amd64"), WindowsImage("Pro", 22631, "amd64"))),
            ("windows11", "22631", ("Home", "Pro"), "amd64"),
        ),
        (Evidence("x", images=(WindowsImage("Pro", 19045, "i386"),)), ("windows10", "19045", ("Pro",), "i386")),
        (
            Evidence("x", images=(WindowsImage("Core", 20348, "amd64", "Server Core"),)),
            ("windows-server", "20348", ("Core",), "amd64"),
        ),
        (Evidence("x", images=(WindowsImage("8.1", 9600, "amd64"),)), ("windows", "9600", ("8.1",), "amd64")),
        # Close, and yet something else.
        (
            Evidence("x", _disk('Kubuntu 24.04 LTS "Noble Numbat" - Release amd64 (20240424)')),
            ("", None, (), None),
        ),
        (
            Evidence("x", _disk('Debian GNU/Linux 12.5.0 "Bookworm" - Official amd64 LIVE')),
            ("", None, (), None),
        ),
        (Evidence("x", _tree("CentOS Stream", "9")), ("", None, (), None)),
        (Evidence("x", {".treeinfo": "no tree \x00 file"}), ("", None, (), None)),
        (Evidence("UBUNTU"), ("", None, (), None)),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else value.label,
)
def test_what_a_medium_holds(evidence: Evidence, wanted: tuple[object, ...]) -> None:
    found = recognize(evidence)
    assert (found.system, found.version, found.editions, found.architecture) == wanted


@pytest.mark.parametrize(
    ("evidence", "problem"),
    [
        (Evidence("x", _tree("Fedora", "41"), boots=BOTH), None),
        (
            Evidence("x", _tree("Fedora", "41", arch="ppc64le"), boots=BOTH),
            "It is for ppc64le, and the machines here are amd64",
        ),
        (Evidence("x", _tree("Fedora", "41")), "It has no boot record"),
        (
            Evidence("x", images=(WindowsImage("Core", 20348, "amd64", "Server"),), boots=BOTH),
            "It holds windows-server, which can't be installed here",
        ),
    ],
)
def test_what_keeps_a_medium_from_being_used(evidence: Evidence, problem: str | None) -> None:
    assert recognize(evidence).problem == problem


def test_texts_of_a_medium_stay_short_and_of_one_line() -> None:
    images = tuple(WindowsImage(f"{number}\n\x1b[31m" + "x" * 500, 22631, "amd64") for number in range(500))
    found = recognize(Evidence("\u202e" + "label\n" * 50, images=images))
    assert len(found.editions) == 30
    assert {len(edition) for edition in found.editions} == {60}
    assert all(text.isprintable() for text in (*found.editions, found.label))
