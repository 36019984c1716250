"""The names that answer files may have on a medium: those that Linux and Windows both read as they were written."""

from __future__ import annotations

from collections.abc import Iterable

_MOST_BYTES = 64  # Joliet has room for 64 units of UTF-16; the library that writes it counts bytes of UTF-8.
_MOST_FOLDERS = 7
_FORBIDDEN = frozenset('*/:;?\\"<>|')


def checked(paths: Iterable[str]) -> tuple[str, ...]:
    """The paths, sorted. ValueError for one that is not relative and plain, or that Windows takes for another."""
    ordered = tuple(sorted(paths))
    taken: dict[str, tuple[str, str]] = {}
    for path in ordered:
        if path.count("/") > _MOST_FOLDERS or not all(map(_is_plain, path.split("/"))):
            raise ValueError(f"{path!r} cannot be a path on a medium")
        for name, kind in (*((folder, "folder") for folder in folders([path])), (path, "file")):
            if taken.setdefault(name.casefold(), (kind, name)) != (kind, name):
                raise ValueError(f"{path!r} collides with another path on the medium")
    return ordered


def folders(paths: Iterable[str]) -> tuple[str, ...]:
    """Every folder that the paths pass through, each before those below it."""
    found = {"/".join(parts[:depth]) for path in paths for parts in [path.split("/")] for depth in range(1, len(parts))}
    return tuple(sorted(found))


def _is_plain(name: str) -> bool:
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        return False
    return (
        name not in {"", ".", ".."}
        and length <= _MOST_BYTES
        and not _FORBIDDEN.intersection(name)
        and name.isprintable()
        and name == name.rstrip(" .")
    )
