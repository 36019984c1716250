"""A model of what the setup of Windows demands of an answer file, pass by pass."""

from __future__ import annotations

from pathlib import Path

from lxml import etree

_NAMESPACE = "urn:schemas-microsoft-com:unattend"
NAMESPACES = {"u": _NAMESPACE}
WCM = "{http://schemas.microsoft.com/WMIConfig/2002/State}"
_SCHEMA = etree.XMLSchema(etree.parse(Path(__file__).with_name("autounattend.xsd")))
_PASSES = ("windowsPE", "specialize", "oobeSystem")
# What a pass must have, and what it may have beside.
_REQUIRED = {
    "windowsPE": {"International-Core-WinPE", "PnpCustomizationsWinPE", "Setup"},
    "specialize": {"Shell-Setup"},
    "oobeSystem": {"International-Core", "Shell-Setup"},
}
_OPTIONAL = {"windowsPE": set[str](), "specialize": {"TCPIP", "DNS-Client"}, "oobeSystem": set[str]()}
_ATTRIBUTES = {
    "processorArchitecture": "amd64",
    "publicKeyToken": "31bf3856ad364e35",
    "language": "neutral",
    "versionScope": "nonSxS",
}


def texts(root: etree._Element, path: str) -> list[str | None]:
    """The texts of all elements with this end of a path."""
    return [found.text for found in root.iterfind(f".//u:{path.replace('/', '/u:')}", NAMESPACES)]


def check_model(root: etree._Element, *, image: bool = False) -> None:
    """An installer's file has all passes; that for an image has those which follow the installer's."""
    assert root.tag == f"{{{_NAMESPACE}}}unattend"
    settings = list(root)
    assert tuple(part.get("pass") for part in settings) == (_PASSES[1:] if image else _PASSES)
    for part in settings:
        name = part.get("pass") or ""
        components = {(component.get("name") or "").removeprefix("Microsoft-Windows-"): component for component in part}
        assert len(components) == len(part)
        assert _REQUIRED[name] <= set(components) <= _REQUIRED[name] | _OPTIONAL[name]
        for component in components.values():
            _check_component(f"image.{name}" if image else name, component)


def _check_component(name: str, component: etree._Element) -> None:
    attributes = {str(key): str(value) for key, value in component.attrib.items()}
    own = attributes.pop("name")
    assert attributes == _ATTRIBUTES
    judged = etree.Element(f"{{{_NAMESPACE}}}{name}.{own}")
    judged.extend(component)
    _SCHEMA.assertValid(judged)
