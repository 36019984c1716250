"""Media of each family, made once for the folder, and a small file system."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import media


@dataclass(frozen=True)
class Isos:
    """The given ISOs; no test changes them."""

    ubuntu: Path
    debian: Path
    fedora: Path
    fedora_file: Path
    windows: Path

    @property
    def linux(self) -> tuple[Path, ...]:
        return (self.ubuntu, self.debian, self.fedora, self.fedora_file)


@pytest.fixture(scope="package")
def isos(tmp_path_factory: pytest.TempPathFactory) -> Isos:
    folder = tmp_path_factory.mktemp("isos")
    return Isos(
        media.ubuntu_iso(folder),
        media.debian_iso(folder),
        media.fedora_iso(folder),
        media.fedora_iso(folder, appended=False),
        media.windows_iso(folder),
    )


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with 6 MB."""
    with _mounted(tmp_path / "small", "6m") as folder:
        yield folder


@pytest.fixture
def large(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with enough space."""
    with _mounted(tmp_path / "large", "100m") as folder:
        yield folder


@contextmanager
def _mounted(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)
