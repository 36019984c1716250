"""libvirt's domain states and reasons in our words.

SHUTOFF counts as crashed only for the reason CRASHED (QEMU died or the guest panicked); FAILED means that a start did
not succeed, after which the domain is simply off. PAUSED with reason UNKNOWN is how a guest looks that KVM could not
run on: a pause that somebody asked for has the reason USER; nobody asked for this one, and it cannot be resumed.
"""

from __future__ import annotations

from dataclasses import dataclass

import libvirt

from infinibay.virt.api import DomainState

_STATES = {
    libvirt.VIR_DOMAIN_NOSTATE: DomainState.SHUTOFF,
    libvirt.VIR_DOMAIN_RUNNING: DomainState.RUNNING,
    libvirt.VIR_DOMAIN_BLOCKED: DomainState.RUNNING,
    libvirt.VIR_DOMAIN_PAUSED: DomainState.PAUSED,
    libvirt.VIR_DOMAIN_SHUTDOWN: DomainState.RUNNING,
    libvirt.VIR_DOMAIN_SHUTOFF: DomainState.SHUTOFF,
    libvirt.VIR_DOMAIN_CRASHED: DomainState.CRASHED,
    libvirt.VIR_DOMAIN_PMSUSPENDED: DomainState.PAUSED,
}
_PAUSE_REASONS = {
    libvirt.VIR_DOMAIN_PAUSED_USER: "paused on request",
    libvirt.VIR_DOMAIN_PAUSED_MIGRATION: "paused for a migration",
    libvirt.VIR_DOMAIN_PAUSED_SAVE: "paused while its memory is saved",
    libvirt.VIR_DOMAIN_PAUSED_DUMP: "paused while its memory is dumped",
    libvirt.VIR_DOMAIN_PAUSED_IOERROR: "paused by a disk error: look at the free space and the access of its disks",
    libvirt.VIR_DOMAIN_PAUSED_WATCHDOG: "paused by its watchdog",
    libvirt.VIR_DOMAIN_PAUSED_FROM_SNAPSHOT: "paused since its snapshot was",
    libvirt.VIR_DOMAIN_PAUSED_SHUTTING_DOWN: "shutting down",
    libvirt.VIR_DOMAIN_PAUSED_SNAPSHOT: "paused while a snapshot is made",
    libvirt.VIR_DOMAIN_PAUSED_CRASHED: "the guest crashed",
    libvirt.VIR_DOMAIN_PAUSED_STARTING_UP: "starting up",
}
_SHUTOFF_REASONS = {
    libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN: "the guest shut down",
    libvirt.VIR_DOMAIN_SHUTOFF_DESTROYED: "powered off by force",
    libvirt.VIR_DOMAIN_SHUTOFF_CRASHED: "the guest or its QEMU crashed",
    libvirt.VIR_DOMAIN_SHUTOFF_MIGRATED: "migrated away",
    libvirt.VIR_DOMAIN_SHUTOFF_SAVED: "saved to a file",
    libvirt.VIR_DOMAIN_SHUTOFF_FAILED: "it failed to start",
    libvirt.VIR_DOMAIN_SHUTOFF_FROM_SNAPSHOT: "off since its snapshot was",
    libvirt.VIR_DOMAIN_SHUTOFF_DAEMON: "the daemon ended it",
}
_OTHER_REASONS = {
    libvirt.VIR_DOMAIN_SHUTDOWN: "shutting down",
    libvirt.VIR_DOMAIN_CRASHED: "the guest crashed",
    libvirt.VIR_DOMAIN_PMSUSPENDED: "suspended by the guest",
}
_CRASHED_PAIRS = {
    (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_UNKNOWN),
    (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_CRASHED),
    (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_CRASHED),
}


@dataclass(frozen=True)
class Described:
    """A state in our words; see `DomainInfo`."""

    state: DomainState
    broken: bool
    stalled: bool
    died: bool
    starting: bool
    reason: str | None


def describe(state: int, reason: int) -> Described:
    """The meaning of libvirt's pair; a state from a newer libvirt counts as shut off."""
    pair = (state, reason)
    broken = pair == (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_UNKNOWN)
    return Described(
        DomainState.CRASHED if pair in _CRASHED_PAIRS else _STATES.get(state, DomainState.SHUTOFF),
        broken=broken,
        stalled=pair == (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_IOERROR),
        died=pair == (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_CRASHED),
        starting=pair == (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_STARTING_UP),
        reason=_reason(state, reason, broken=broken),
    )


def _reason(state: int, reason: int, *, broken: bool) -> str | None:
    if broken:
        return "it paused by itself, and nobody asked for it"
    if state == libvirt.VIR_DOMAIN_PAUSED:
        return _PAUSE_REASONS.get(reason)
    if state == libvirt.VIR_DOMAIN_SHUTOFF:
        return _SHUTOFF_REASONS.get(reason)
    return _OTHER_REASONS.get(state)
