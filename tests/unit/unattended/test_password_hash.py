"""The hashes that Linux installers are given."""

from __future__ import annotations

import ctypes
import ctypes.util

import pytest

from infinibay.unattended.password_hash import is_password_hash, linux_password_hash
from tests.support.installations import PASSWORD_HASH

_CRYPT = ctypes.CDLL(ctypes.util.find_library("crypt")).crypt
_CRYPT.restype = ctypes.c_char_p


@pytest.mark.parametrize("password", ["secret", "pä'\"&<>$ 😀", "x" * 128])
def test_the_system_s_own_library_lets_the_password_in(password: str) -> None:
    made = linux_password_hash(password)

    assert is_password_hash(made)
    assert _CRYPT(password.encode(), made.encode()) == made.encode()
    assert _CRYPT(b"other", made.encode()) != made.encode()


def test_each_hash_has_a_salt_of_its_own() -> None:
    assert linux_password_hash("secret") != linux_password_hash("secret")


def test_yescrypt_is_taken_and_other_things_are_not() -> None:
    assert is_password_hash(PASSWORD_HASH)
    assert is_password_hash("$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7")
    for text in ("secret", "", "$1$salt$qJH7.N4xYta3aEG/dfqo/0", PASSWORD_HASH + "\n", PASSWORD_HASH[:-1], "!"):
        assert not is_password_hash(text)
