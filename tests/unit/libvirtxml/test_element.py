"""A value comes back as it went in, or is refused; it never becomes markup."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infinibay.errors import BadUserInput
from infinibay.libvirtxml.devices import GraphicsSpec
from infinibay.libvirtxml.domain import domain_xml
from infinibay.libvirtxml.element import document, leaf, node, parse
from infinibay.libvirtxml.nwfilter import NwFilterSpec, nwfilter_xml
from infinibay.libvirtxml.storage import PoolSpec, VolumeSpec, pool_xml, volume_xml
from tests.support.sample_domains import SAMPLES

# Every code point, also those that no XML can carry.
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)
MACHINE = "0b9f6f0e-6a53-4d0f-9d0c-3f2a1d5e7c11"
NASTY = ['"><disk/>', "]]>", "&amp;", "<!-- -->", "a\r\nb\tc", "it's", "😀", "é" * 10_000, "%s{}$(id)", "../../etc"]


def carried(text: str) -> bool:
    """XML 1.0, production Char, said in another way than the code says it."""
    refused = {*range(0x20), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF} - {0x9, 0xA, 0xD}
    return refused.isdisjoint(map(ord, text))


@settings(deadline=None)  # The cores of a test host are noisy.
@given(ANY_TEXT)
def test_a_text_round_trips_or_is_refused(text: str) -> None:
    if carried(text):
        assert (parse(document(node("a", None, leaf("b", text)))).findtext("b") or "") == text
    else:
        with pytest.raises(BadUserInput, match="The value for b has characters that XML can't carry"):
            leaf("b", text)


@settings(deadline=None)
@given(ANY_TEXT)
def test_an_attribute_round_trips_or_is_refused(text: str) -> None:
    if carried(text):
        assert parse(document(node("a", {"b": text}))).get("b") == text
    else:
        with pytest.raises(BadUserInput, match="The value for a/@b has characters that XML can't carry"):
            node("a", {"b": text})


@pytest.mark.parametrize("text", NASTY)
def test_nasty_texts_stay_values_of_a_domain(text: str) -> None:
    plain = SAMPLES["ubuntu-qemu-efi-vnc"].spec(MACHINE)
    devices = tuple(replace(d, password=text) if isinstance(d, GraphicsSpec) else d for d in plain.devices)

    root = parse(domain_xml(replace(plain, name=text, devices=devices)))

    assert [e.tag for e in root.iter()] == [e.tag for e in parse(domain_xml(plain)).iter()]
    assert root.findtext("name") == text
    graphics = root.find("devices/graphics")
    assert graphics is not None
    assert graphics.get("passwd") == text


@settings(deadline=None)
@given(ANY_TEXT.filter(carried))
def test_names_and_paths_of_storage_and_filters_round_trip(text: str) -> None:
    assert (parse(volume_xml(VolumeSpec(text, 1))).findtext("name") or "") == text
    assert (parse(pool_xml(PoolSpec("p", text))).findtext("target/path") or "") == text
    assert parse(nwfilter_xml(NwFilterSpec(text, MACHINE))).get("name") == text


def test_a_refused_secret_is_not_told() -> None:
    with pytest.raises(BadUserInput) as caught:
        GraphicsSpec("vnc", "127.0.0.1", "hunter2\0").element()
    assert caught.value.message == "The value for graphics/@passwd has characters that XML can't carry"


def test_none_is_left_out() -> None:
    assert document(node("a", {"b": None, "c": 1}, None, leaf("d", 2))) == '<a c="1">\n  <d>2</d>\n</a>\n'


@pytest.mark.parametrize("xml", ["", "<a>", "<a></b>", "text"])
def test_broken_xml_is_a_value_error(xml: str) -> None:
    with pytest.raises(ValueError, match="not well-formed XML"):
        parse(xml)


def test_entities_are_not_resolved() -> None:
    root = parse('<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>')
    assert (root.text or "") == ""
