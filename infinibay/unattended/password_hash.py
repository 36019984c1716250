"""The form in which a Linux installer is told a password."""

from __future__ import annotations

import re

from passlib.hash import sha512_crypt

# Five times what Linux takes by itself; 25 ms of work here, while a machine is made.
_ROUNDS = 25_000
_HASH = re.compile(r"\$6\$(rounds=\d{4,9}\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{86}|\$y\$[./A-Za-z0-9$]{20,200}")


def linux_password_hash(password: str) -> str:
    """A salted SHA-512 crypt hash; yescrypt is stronger, but Red Hat's version 8 does not know it. Takes 25 ms."""
    return str(sha512_crypt.using(rounds=_ROUNDS).hash(password))


def is_password_hash(text: str) -> bool:
    """Whether this is a crypt hash of a kind that is offered: SHA-512 or yescrypt."""
    return _HASH.fullmatch(text) is not None
