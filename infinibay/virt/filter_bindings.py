"""Bindings of filters to interfaces that a daemon left behind when it died in the middle of a start.

libvirt 9.0 keeps such a binding for ever, and fails a later start, whoever's domain that is, for which the kernel
chooses an interface of the same name.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import libvirt

from infinibay.libvirtxml.element import parse
from infinibay.log import get_logger

log = get_logger(__name__)


def remove_of_filter(connection: libvirt.virConnect, name: str) -> None:
    """Removes the abandoned bindings to a filter."""
    _remove_abandoned(connection, lambda binding: binding.filterName() == name)


def remove_named(connection: libvirt.virConnect, complaint: str) -> bool:
    """Removes the abandoned bindings to interfaces that a start's failure complains of; whether there were any."""
    # The sentence may be in any language, the interface's name stands in it as a word.
    words = set(re.findall(r"[\w.-]+", complaint))
    return _remove_abandoned(connection, lambda binding: binding.portDev() in words)


def _remove_abandoned(connection: libvirt.virConnect, chosen: Callable[[libvirt.virNWFilterBinding], bool]) -> bool:
    removed = False
    for binding in filter(chosen, connection.listAllNWFilterBindings()):
        try:
            owner = parse(binding.XMLDesc()).findtext("owner/uuid", "")
            if _runs(connection, owner):
                continue
            binding.delete()
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_NWFILTER_BINDING:
                raise
        else:
            log.warning("virt.binding_removed", interface=binding.portDev(), domain=owner, filter=binding.filterName())
            removed = True
    return removed


def _runs(connection: libvirt.virConnect, domain: str) -> bool:
    try:
        return bool(connection.lookupByUUIDString(domain).isActive())
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
            raise
        return False
