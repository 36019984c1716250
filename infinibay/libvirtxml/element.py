"""The one way from values to XML text and back: lxml, so that a value can never become markup."""

from __future__ import annotations

from collections.abc import Mapping

from lxml import etree

from infinibay.errors import BadUserInput

Element = etree._Element  # noqa: SLF001 - lxml has no public name for the type of its elements.


def node(
    tag: str,
    attributes: Mapping[str, str | int | None] | None = None,
    *children: Element | None,
    text: str | None = None,
) -> Element:
    """One element; attributes and children that are None are left out.

    Raises BadUserInput for a value that XML can't carry (control characters, lone surrogates, U+FFFE and U+FFFF).
    """
    made = etree.Element(tag)
    for name, value in (attributes or {}).items():
        if value is not None:
            made.set(name, _carried(str(value), f"{tag}/@{name}"))
    if text is not None:
        made.text = _carried(text, tag)
    made.extend(child for child in children if child is not None)
    return made


def leaf(tag: str, text: str | int) -> Element:
    """An element that holds a text alone."""
    return node(tag, text=str(text))


def document(root: Element) -> str:
    """The XML text, indented, ending with a newline."""
    etree.indent(root, space="  ")
    return etree.tostring(root, encoding="unicode") + "\n"


def parse(xml: str) -> Element:
    """The root of an XML text that the hypervisor gave; no entity is resolved, nothing is loaded.

    Raises ValueError when it is not well-formed.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_blank_text=False)
    try:
        # As bytes, since lxml refuses a text that declares its encoding.
        return etree.fromstring(xml.encode(), parser)
    except etree.XMLSyntaxError as error:
        raise ValueError(f"not well-formed XML: {error.msg}") from error


def _carried(value: str, place: str) -> str:
    """The value itself, which may be a secret: the message names its place only."""
    if all(_is_xml_character(ord(character)) for character in value):
        return value
    raise BadUserInput(message=f"The value for {place} has characters that XML can't carry")


def _is_xml_character(code: int) -> bool:
    """The production Char of XML 1.0."""
    return code in (0x9, 0xA, 0xD) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code >= 0x10000
