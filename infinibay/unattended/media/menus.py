"""The boot menus of a remastered ISO: one entry that starts the installer with the given kernel arguments."""

from __future__ import annotations

import re
from collections.abc import Sequence

from infinibay.unattended.media.kernel import KernelPair

_SECONDS = 1
# Before quotes and backslashes GRUB puts a backslash that the kernel takes literally, and blanks would need quotes. So
# none of them reaches the installer as it was meant.
_ARGUMENT = re.compile(r"[!#-&(-\[\]-~]+")
_LINUX = re.compile(r"^\s*(linux(?:efi|16)?)\s", re.MULTILINE)
_INITRD = re.compile(r"^\s*(initrd(?:efi|16)?)\s", re.MULTILINE)


def checked(arguments: Sequence[str]) -> tuple[str, ...]:
    """The arguments. ValueError for one that a boot loader could not hand on as it is."""
    for argument in arguments:
        if not _ARGUMENT.fullmatch(argument):
            raise ValueError(f"{argument!r} cannot be a kernel argument")
    return tuple(arguments)


def is_grub_menu(text: str) -> bool:
    """Whether a configuration of GRUB starts a kernel itself, and does not only hand over to another one."""
    return bool(_LINUX.search(text))


def grub(replaced: str, pair: KernelPair, arguments: Sequence[str], *, label: str | None = None) -> str:
    """GRUB's menu, with the commands that the replaced one uses.

    With a label the medium is looked for: the menu lies in a file system of its own, beside the boot loader.
    """
    linux, initrd = _LINUX.search(replaced), _INITRD.search(replaced)
    words = [linux[1] if linux else "linux", _quoted(f"/{pair.kernel}"), *map(_quoted, arguments)]
    lines = ["set default=0", f"set timeout={_SECONDS}"]
    if label is not None:
        lines.append(f"search --no-floppy --set=root --label {_quoted(label)}")
    lines += [
        "menuentry 'Automatic installation' {",
        f"    {' '.join(words)}",
        f"    {initrd[1] if initrd else 'initrd'} {_quoted(f'/{pair.initrd}')}",
        "}",
    ]
    return "".join(f"{line}\n" for line in lines)


def isolinux(pair: KernelPair, arguments: Sequence[str]) -> str:
    """ISOLINUX's menu. It hands the rest of the line to the kernel as it stands, and knows no quotes."""
    lines = (
        "default automatic",
        "prompt 0",
        f"timeout {_SECONDS * 10}",
        "label automatic",
        f"  kernel /{pair.kernel}",
        f"  append {' '.join((f'initrd=/{pair.initrd}', *arguments))}",
    )
    return "".join(f"{line}\n" for line in lines)


def _quoted(word: str) -> str:
    """A word for GRUB's shell, in which nothing but the closing quote means anything between single quotes."""
    return "'" + word.replace("'", "'\\''") + "'"
