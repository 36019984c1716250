"""What a remastered medium holds, where its installer finds it without a seed beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from infinibay.core.operating_systems import Family
from infinibay.unattended.media.remaster import Contents

_NOCLOUD = "nocloud"


def contents(family: Family, files: Mapping[str, bytes], arguments: Sequence[str]) -> Contents:
    """From the files of a seed and the kernel's arguments of the same manager."""
    match family:
        case Family.WINDOWS:
            return Contents(files)
        case Family.UBUNTU:
            inside = {f"{_NOCLOUD}/{path}": content for path, content in files.items()}
            return Contents(inside, _replaced(arguments, "ds=", f"ds=nocloud;s=/cdrom/{_NOCLOUD}/"))
        case Family.REDHAT:
            return Contents({}, _replaced(arguments, "inst.ks=", "inst.ks=file:/ks.cfg"), files)
        case Family.DEBIAN:
            return Contents({}, tuple(arguments), files)


def _replaced(arguments: Sequence[str], beginning: str, argument: str) -> tuple[str, ...]:
    return (*(one for one in arguments if not one.startswith(beginning)), argument)
