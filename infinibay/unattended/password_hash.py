"""The form in which a Linux installer is told a password."""

from __future__ import annotations

import ctypes
import re
import secrets
import string

# Five times what Linux takes by itself; 10 to 25 ms of work here, while a machine is made.
_ROUNDS = 25_000
_SALT_CHARACTERS, _SALT_LENGTH = "./" + string.digits + string.ascii_letters, 16
# The room that the library works in; the largest of its versions takes half of it.
_ROOM_BYTES = 256 * 1024
_HASH = re.compile(r"\$6\$(rounds=\d{4,9}\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{86}|\$y\$[./A-Za-z0-9$]{20,200}")

# The system's own library. Python's module for it, and what stands on that, holds the interpreter while it works, and
# with it the event loop; ctypes does not.
_crypt = ctypes.CDLL("libcrypt.so.1").crypt_r
_crypt.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p)
_crypt.restype = ctypes.c_char_p


def linux_password_hash(password: str) -> str:
    """A salted SHA-512 crypt hash; yescrypt is stronger, but Red Hat's version 8 does not know it. Takes 10 to 25 ms,
    in which other threads run. ValueError for a password with a NUL."""
    if "\0" in password:
        raise ValueError("a password can't hold a NUL")
    salt = "".join(secrets.choice(_SALT_CHARACTERS) for _ in range(_SALT_LENGTH))
    made: bytes | None = _crypt(
        password.encode(), f"$6$rounds={_ROUNDS}${salt}".encode(), ctypes.create_string_buffer(_ROOM_BYTES)
    )
    text = made.decode() if made is not None else ""
    if not is_password_hash(text):
        raise ValueError("the system's library makes no SHA-512 hashes")
    return text


def is_password_hash(text: str) -> bool:
    """Whether this is a crypt hash of a kind that is offered: SHA-512 or yescrypt."""
    return _HASH.fullmatch(text) is not None
