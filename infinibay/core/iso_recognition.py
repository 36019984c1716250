"""What an installation medium holds, from the evidence that was found on it. Label and texts are whoever's made it."""

from __future__ import annotations

import configparser
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from infinibay.core.operating_systems import OPERATING_SYSTEMS

_FIRST_WINDOWS_10 = 10240
_FIRST_WINDOWS_11 = 22000
_ARCHITECTURES = {"x86_64": "amd64", "x64": "amd64", "aarch64": "arm64", "i686": "i386", "x86": "i386"}
# What the machines of a host can run.
_USABLE_ARCHITECTURES = ("amd64", "i386")
_UBUNTU = re.compile(r'Ubuntu(?:-(\w+))? (\d[\d.]*)(?: LTS)? (?:"[^"]*" )?- \w+ (\w+)')
_DEBIAN = re.compile(r'Debian GNU/Linux (\d[\d.]*) (?:"[^"]*" )?- \w+ (\w+) ([\w-]+)')
_TREES = {
    "fedora": "fedora",
    "red hat enterprise linux": "rhel",
    "rocky linux": "rocky",
    "almalinux": "alma",
}
# Media without a tree file, known by the names that their makers give to volumes.
_LABELS = (
    (re.compile(r"Fedora-(?P<edition>[A-Za-z]+)-(?:\w+-)*(?P<version>\d{2})(?:-[\d-]+)?"), "fedora"),
    (re.compile(r"RHEL-(?P<version>\d+-\d+)-[\d-]*(?P<edition>BaseOS)-(?P<architecture>\w+)"), "rhel"),
    (re.compile(r"Rocky-(?P<version>\d+-\d+)-(?P<architecture>[^-]+)(?:-(?P<edition>\w+))?"), "rocky"),
    (re.compile(r"AlmaLinux-(?P<version>\d+-\d+)-(?P<architecture>[^-]+)(?:-(?P<edition>\w+))?"), "alma"),
)
_LONGEST = 60
_MOST_EDITIONS = 30


@dataclass(frozen=True)
class WindowsImage:
    """One image of an install.wim: its name as people read it, its EDITIONID, and what else it says of itself."""

    name: str
    build: int
    architecture: str
    kind: str = "Client"
    index: int = 0
    edition: str = ""
    language: str = "en-US"


@dataclass(frozen=True)
class Evidence:
    """What was found: the volume's label, small text files by their path, the kernels of Debian's installer and the
    packages of Red Hat's, the images of Windows, and the firmwares it has boot records for."""

    label: str
    texts: Mapping[str, str] = field(default_factory=dict)
    paths: frozenset[str] = frozenset()
    images: tuple[WindowsImage, ...] = ()
    boots: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recognized:
    """What a medium installs. `system` is a word of `OPERATING_SYSTEMS`, or of one that can't be installed yet; empty
    when the medium does not say. `boots` names firmwares: bios, efi. `images` are those of a Windows medium."""

    system: str
    version: str | None
    editions: tuple[str, ...]
    architecture: str | None
    label: str
    boots: tuple[str, ...]
    images: tuple[WindowsImage, ...] = ()
    has_packages: bool = True

    @property
    def problem(self) -> str | None:
        """Why machines can't be installed from it."""
        if not self.boots:
            return "It has no boot record"
        if self.architecture is not None and self.architecture not in _USABLE_ARCHITECTURES:
            return f"It is for {self.architecture}, and the machines here are amd64"
        if self.system and self.system not in OPERATING_SYSTEMS:
            return f"It holds {self.system}, which can't be installed here"
        return None


def recognize(evidence: Evidence) -> Recognized:
    """Reads the evidence; the surest of it decides."""
    system, version, editions, architecture = (
        _windows(evidence) or _ubuntu(evidence) or _debian(evidence) or _tree(evidence) or _labelled(evidence)
    )
    return Recognized(
        system=system,
        version=_short(version),
        editions=tuple(name for one in editions[:_MOST_EDITIONS] if (name := _short(one))),
        architecture=_short(_ARCHITECTURES.get(architecture, architecture)),
        label=_short(evidence.label) or "",
        boots=evidence.boots,
        images=evidence.images,
        # The other families' media always bring some.
        has_packages=system not in _TREES.values() or any("repodata" in path for path in evidence.paths),
    )


_Found = tuple[str, str, tuple[str, ...], str]


def _windows(evidence: Evidence) -> _Found | None:
    if not evidence.images:
        return None
    newest = max(evidence.images, key=lambda image: image.build)
    names = tuple(dict.fromkeys(image.name for image in evidence.images))
    system = "windows"
    if newest.kind != "Client":
        system = "windows-server"
    elif newest.build >= _FIRST_WINDOWS_11:
        system = "windows11"
    elif newest.build >= _FIRST_WINDOWS_10:
        system = "windows10"
    return system, str(newest.build), names, newest.architecture


def _ubuntu(evidence: Evidence) -> _Found | None:
    found = _UBUNTU.match(evidence.texts.get(".disk/info", ""))
    if found is None:
        return None
    return "ubuntu", found[2], (found[1] or "Desktop",), found[3]


def _debian(evidence: Evidence) -> _Found | None:
    found = _DEBIAN.match(evidence.texts.get(".disk/info", ""))
    # A live system has the same words, and no installer that takes answers.
    if found is None or not any(path.startswith("install.") for path in evidence.paths):
        return None
    return "debian", found[1], (found[3],), found[2]


def _tree(evidence: Evidence) -> _Found | None:
    tree = configparser.RawConfigParser(strict=False)
    try:
        tree.read_string(evidence.texts.get(".treeinfo", ""))
    except configparser.Error:
        return None
    general = tree["general"] if tree.has_section("general") else {}
    release = tree["release"] if tree.has_section("release") else {}
    family = release.get("name") or general.get("family") or ""
    system = _TREES.get(family.strip().lower())
    if system is None:
        return None
    version = release.get("version") or general.get("version") or ""
    return system, version, (general.get("variant") or "",), general.get("arch") or ""


def _labelled(evidence: Evidence) -> _Found:
    for pattern, system in _LABELS:
        if found := pattern.match(evidence.label):
            parts = found.groupdict()
            version = parts["version"].replace("-", ".")
            return system, version, (parts.get("edition") or "",), parts.get("architecture") or ""
    return "", "", (), ""


def _short(text: str) -> str | None:
    """A text for people, of one line and sensible length; None for an empty one."""
    clean = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(clean.split())[:_LONGEST] or None
