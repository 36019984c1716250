"""From a machine's name to what its system calls itself."""

from __future__ import annotations

import hashlib
import re
import unicodedata

HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LABEL_LENGTH = 63
_COMPUTER_NAME_LENGTH = 15
_DIGEST_LENGTH = 4


def host_name(machine_name: str, machine_id: str) -> str:
    """One DNS label that reads like the machine's name; by its id when the name has no letter or digit for it."""
    plain = unicodedata.normalize("NFKD", machine_name).encode("ascii", "ignore").decode().lower()
    label = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_LABEL_LENGTH].rstrip("-")
    return label or f"machine-{machine_id[:8]}".lower()


def computer_name(label: str) -> str:
    """A name for Windows: at most 15 characters and not digits alone. What is cut off stays in a digest."""
    if len(label) <= _COMPUTER_NAME_LENGTH and not label.isdigit():
        return label
    digest = hashlib.sha256(label.encode()).hexdigest()[:_DIGEST_LENGTH]
    head = label if not label.isdigit() else f"pc-{label}"
    return f"{head[: _COMPUTER_NAME_LENGTH - _DIGEST_LENGTH - 1].rstrip('-')}-{digest}"
