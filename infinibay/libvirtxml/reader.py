"""Reads what we need from the XML that libvirt gives; ValueError when it is not well-formed."""

from __future__ import annotations

from dataclasses import dataclass

from infinibay.core.naming import METADATA_NAMESPACE
from infinibay.libvirtxml.element import Element, document, parse

HIDDEN = "***"


@dataclass(frozen=True)
class GraphicsFacts:
    """The graphics of a domain; the port is None while it does not run."""

    protocol: str
    port: int | None
    listen: str | None


@dataclass(frozen=True)
class CdromFacts:
    """A CD-ROM drive and the file in it."""

    target: str
    source: str | None


def uuid(xml: str) -> str | None:
    return parse(xml).findtext("uuid")


def machine_id(xml: str) -> str | None:
    """The machine that our metadata names; None for a domain that is not ours."""
    return _attribute(parse(xml).find(f"metadata/{{{METADATA_NAMESPACE}}}machine"), "id")


def graphics(xml: str) -> GraphicsFacts | None:
    """The first graphics device; None for a domain without a screen."""
    found = parse(xml).find("devices/graphics")
    if found is None:
        return None
    port = int(found.get("port", "-1"))
    return GraphicsFacts(found.get("type", ""), port if port > 0 else None, found.get("listen"))


def graphics_port(xml: str) -> int | None:
    """The port of the running domain's screen."""
    found = graphics(xml)
    return None if found is None else found.port


def disk_sources(xml: str) -> tuple[str, ...]:
    """The file of every disk and drive and of their backing chains, each once: what must not be deleted."""
    sources = parse(xml).iterfind("devices/disk//source")
    return tuple(dict.fromkeys(path for source in sources if (path := source.get("file"))))


def cdroms(xml: str) -> tuple[CdromFacts, ...]:
    drives = parse(xml).iterfind("devices/disk[@device='cdrom']")
    return tuple(
        CdromFacts(_attribute(drive.find("target"), "dev") or "", _attribute(drive.find("source"), "file"))
        for drive in drives
    )


def nvram_path(xml: str) -> str | None:
    return parse(xml).findtext("os/nvram") or None


def without_secrets(xml: str) -> str:
    """The same XML with every password replaced, for logs and plans."""
    root = parse(xml)
    for protected in root.iterfind(".//*[@passwd]"):
        protected.set("passwd", HIDDEN)
    return document(root)


def _attribute(found: Element | None, name: str) -> str | None:
    return None if found is None else found.get(name)
