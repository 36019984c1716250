from __future__ import annotations

from infinibay.virt.domains import _shown


def test_a_refused_definition_is_shown_without_its_secrets() -> None:
    shown = _shown("<domain><name>told</name><devices><graphics type='vnc' passwd='hidden42'/></devices></domain>")
    assert "told" in shown
    assert "hidden42" not in shown


def test_what_cannot_be_read_is_not_shown_at_all() -> None:
    assert _shown("<domain passwd='hidden42'") == "(not well-formed, so its secrets cannot be told from the rest)"
