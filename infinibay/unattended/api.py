"""What a manager of answer files offers, whatever the system."""

from __future__ import annotations

from typing import Protocol

from infinibay.errors import FieldProblem
from infinibay.unattended.installation import Installation, Interpreter


class UnattendedManager(Protocol):
    """Writes the answers for the installer of one family of systems."""

    @property
    def label(self) -> str | None:
        """The volume label of the seed medium. None: the files belong into the root of the installer's initrd."""

    @property
    def interpreter(self) -> Interpreter:
        """What runs the commands of applications."""

    def problems(self, installation: Installation) -> tuple[FieldProblem, ...]:
        """Everything that is wrong with the installation, by the fields of the interface; empty when nothing is."""

    def files(self, installation: Installation) -> dict[str, bytes]:
        """The files by their path on the seed medium; the same installation gives the same bytes.

        They hold secrets. Raises BadUserInput with the installation's problems.
        """

    def kernel_arguments(self, iso_label: str) -> tuple[str, ...]:
        """The installer's kernel arguments for direct kernel boot, given the ISO's volume label; empty for Windows."""
