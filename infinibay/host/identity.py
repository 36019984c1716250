"""The file that keeps a host's id, which is no secret: the host's name may change, and the id stays."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

from infinibay.core.identifiers import canonical
from infinibay.errors import SettingError

_VARIABLE = "INFINIBAY_BASE_DIR"


def kept_id(file: Path) -> str | None:
    """The id; None before the first start. Raises SettingError when the file cannot be read or holds no id."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingError(_VARIABLE, f"holds a host id that can't be read: {error.strerror}: {file}") from error
    found = canonical(text.strip())
    if found is None:
        raise SettingError(_VARIABLE, f"holds no id in {file}; without this file the host is known by its name")
    return found


def keep_id(file: Path, host_id: str) -> None:
    """Writes the id (0644) in one piece. Raises SettingError."""
    new = file.with_name(f".{file.name}-{uuid4()}")
    try:
        with new.open("w", encoding="ascii") as opened:
            opened.write(f"{host_id}\n")
            opened.flush()
            os.fchmod(opened.fileno(), 0o644)
            os.fsync(opened.fileno())
        new.replace(file)
    except OSError as error:
        raise SettingError(_VARIABLE, f"must be a folder that can hold {file}: {error}") from error
