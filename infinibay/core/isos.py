"""Names of installation media, and which of several is a system's own."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Protocol, TypeVar

from infinibay.core.iso_recognition import Recognized
from infinibay.core.operating_systems import OPERATING_SYSTEMS

SUFFIX = ".iso"
_PLAIN = re.compile(r"[^/\\\0.][^/\\\0]*\.iso")
_LONGEST_NAME = 200
_PART = re.compile(r"[^a-z0-9.]+")
_LONGEST_PART = 24


class Medium(Protocol):
    """What the choice of a default looks at."""

    @property
    def id(self) -> str: ...
    @property
    def os(self) -> str: ...
    @property
    def filename(self) -> str: ...
    @property
    def version(self) -> str | None: ...
    @property
    def isDefault(self) -> bool: ...  # noqa: N802 - the row's name for it
    @property
    def problem(self) -> str | None: ...
    @property
    def stamp(self) -> str | None: ...


M = TypeVar("M", bound=Medium)


def is_plain_name(name: str) -> bool:
    """Whether it names a file of the ISO directory: no folder, not hidden, `.iso` at its end."""
    return len(name) <= _LONGEST_NAME and name.isprintable() and _PLAIN.fullmatch(name) is not None


def system_of_name(name: str) -> str | None:
    """The system of `<os>.iso`; None for any other name."""
    stem = name.removesuffix(SUFFIX)
    return stem if stem in OPERATING_SYSTEMS and name != stem else None


def looks_like_windows(name: str) -> bool:
    """Whether a file's name says that it installs Windows, as ours and Microsoft's do."""
    lowered = name.lower()
    return lowered.startswith("win") or "windows" in lowered


def system_of_word(word: str) -> str | None:
    """The system that a client names, in any case; None when there is none of that name."""
    lowered = word.strip().lower()
    return lowered if lowered in OPERATING_SYSTEMS else None


def stem_for(found: Recognized) -> str:
    """What a file with this content is called, without `.iso`: letters, digits, dots and hyphens alone."""
    edition = found.editions[0] if len(found.editions) == 1 else ""
    parts = (found.system, found.version or "", edition, found.architecture or "")
    cleaned = (_PART.sub("-", part.lower())[:_LONGEST_PART].strip("-.") for part in parts)
    return "-".join(part for part in cleaned if part)


def default_of(media: Collection[M], system: str) -> M | None:
    """The medium that a system is installed from: the chosen one, else `<os>.iso`, else the highest version that can
    be used. A chosen one stays it when it is gone or damaged, so that nobody gets another version unasked."""
    own = [medium for medium in media if medium.os == system]
    chosen = next((medium for medium in own if medium.isDefault), None)
    named = next((medium for medium in own if medium.stamp and system_of_name(medium.filename) == system), None)
    usable = [medium for medium in own if medium.problem is None]
    newest = max(usable, key=lambda medium: (_version(medium.version), medium.filename), default=None)
    return chosen or named or newest


def defaults(media: Sequence[M]) -> frozenset[str]:
    """The ids of all systems' own media."""
    found = (default_of(media, system) for system in OPERATING_SYSTEMS)
    return frozenset(medium.id for medium in found if medium is not None)


def _version(text: str | None) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text or "")[:4])
