"""The elements of an answer file for Windows: lxml, so that a value can never become markup."""

from __future__ import annotations

import base64

from lxml import etree

Element = etree._Element  # noqa: SLF001 - lxml has no public name for the type of its elements.

NAMESPACE = "urn:schemas-microsoft-com:unattend"
WCM = "http://schemas.microsoft.com/WMIConfig/2002/State"
_PUBLIC_KEY_TOKEN = "31bf3856ad364e35"  # noqa: S105 - it names Microsoft, and is in each answer file.


def leaf(tag: str, value: str | int | bool) -> Element:
    """An element that holds a value alone."""
    made = etree.Element(f"{{{NAMESPACE}}}{tag}")
    made.text = str(value).lower() if isinstance(value, bool) else str(value)
    return made


def group(tag: str, *children: Element | None) -> Element:
    """An element that holds others; None is left out."""
    made = etree.Element(f"{{{NAMESPACE}}}{tag}")
    made.extend(child for child in children if child is not None)
    return made


def item(tag: str, *children: Element, key: int | None = None) -> Element:
    """An element of a list, with a key where the list wants one."""
    made = group(tag, *children)
    made.set(f"{{{WCM}}}action", "add")
    if key is not None:
        made.set(f"{{{WCM}}}keyValue", str(key))
    return made


def component(name: str, *children: Element | None) -> Element:
    """The settings of one part of Windows, None is left out; `name` goes without its common beginning."""
    made = group("component", *children)
    made.set("name", f"Microsoft-Windows-{name}")
    made.set("processorArchitecture", "amd64")
    made.set("publicKeyToken", _PUBLIC_KEY_TOKEN)
    made.set("language", "neutral")
    made.set("versionScope", "nonSxS")
    return made


def configuration_pass(name: str, *components: Element | None) -> Element:
    made = group("settings", *components)
    made.set("pass", name)
    return made


def password(value: str) -> Element:
    """The form in which Windows takes a password: not encrypted, and no hash. The end tells which element it is."""
    encoded = base64.b64encode((value + "Password").encode("utf-16-le")).decode()
    return group("Password", leaf("Value", encoded), leaf("PlainText", value=False))


def document(*passes: Element) -> bytes:
    """The whole file."""
    root = etree.Element(f"{{{NAMESPACE}}}unattend", nsmap={None: NAMESPACE, "wcm": WCM})  # type: ignore[dict-item] # lxml's stubs know no default namespace.
    root.extend(passes)
    etree.indent(root, space="  ")
    return etree.tostring(root, xml_declaration=True, encoding="utf-8") + b"\n"
