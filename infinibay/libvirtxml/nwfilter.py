"""nwfilters: what a network interface lets through."""

from __future__ import annotations

from dataclasses import dataclass

from infinibay.libvirtxml.element import document, leaf, node


@dataclass(frozen=True)
class NwFilterSpec:
    """A filter in the root chain, with the rules of the filter `parent`. Without rules it lets all through."""

    name: str
    uuid: str
    parent: str | None = None


def nwfilter_xml(spec: NwFilterSpec) -> str:
    return document(
        node(
            "filter",
            {"name": spec.name, "chain": "root"},
            leaf("uuid", spec.uuid),
            node("filterref", {"filter": spec.parent}) if spec.parent else None,
        )
    )
