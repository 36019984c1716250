"""The texts that run in the guests, the same for each machine: what differs is data beside them."""

from __future__ import annotations

from importlib import resources


def template(name: str) -> str:
    """The text of a file in this folder."""
    return resources.files(__name__).joinpath(name).read_text(encoding="utf-8")
