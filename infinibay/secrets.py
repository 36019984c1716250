"""Secrets in one place: the key file, encryption at rest, random passwords, tokens' signing key, the figures' token."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import secrets as random_source
import string
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from infinibay.errors import InfinibayError, SettingError

GRAPHICS_PASSWORD_LENGTH = 8  # The most that VNC takes.
_KEY_BYTES = 32
_LEAST_TOKEN_LENGTH = 16


@dataclass(frozen=True)
class Vault:
    """Encrypts and signs with keys derived from one master key, which lies outside the database."""

    master_key: bytes = field(repr=False)

    def encrypt(self, text: str) -> str:
        """An opaque ASCII token that only the same master key opens."""
        return self._box().encrypt(text.encode()).decode()

    def decrypt(self, sealed: str) -> str:
        """The text that `encrypt` took. Raises InfinibayError when the key is another one."""
        try:
            return self._box().decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise InfinibayError("A secret cannot be opened: the key file is not the one it was sealed with.") from None

    def token_key(self) -> bytes:
        """The key that signs access tokens when no TOKENKEY is set."""
        return self._derive(b"token")

    def _box(self) -> Fernet:
        return Fernet(base64.urlsafe_b64encode(self._derive(b"rest")))

    def _derive(self, purpose: bytes) -> bytes:
        return HKDF(hashes.SHA256(), 32, salt=None, info=b"infinibay " + purpose).derive(self.master_key)


def open_vault(key_file: Path) -> Vault:
    """Reads the master key, making it (0600, folder 0700) at the first start; two processes agree on one.

    Raises SettingError when the file cannot be read or made, or is damaged.
    """
    key = _kept(key_file, lambda: random_source.token_bytes(_KEY_BYTES))
    if len(key) != _KEY_BYTES:
        raise SettingError("INFINIBAY_BASE_DIR", f"holds a damaged key file: {key_file}")
    return Vault(key)


def metrics_token(token_file: Path) -> str:
    """The token that opens the figures, made (0600) at the first start; two processes agree on one.

    A file that an operator wrote counts as well. Raises SettingError when it cannot be read or made, or is too short.
    """
    kept = _kept(token_file, lambda: random_source.token_urlsafe(32).encode() + b"\n")
    token = kept.decode(errors="replace").strip()
    if len(token) < _LEAST_TOKEN_LENGTH:
        raise SettingError(
            "INFINIBAY_BASE_DIR", f"holds a token of fewer than {_LEAST_TOKEN_LENGTH} characters: {token_file}"
        )
    return token


def _kept(file: Path, new: Callable[[], bytes]) -> bytes:
    """What the file holds; it is made with a new secret when it is missing."""
    try:
        if not file.exists():
            _make(file, new())
        return file.read_bytes()
    except OSError as error:
        raise SettingError("INFINIBAY_BASE_DIR", f"must be a folder that can hold {file}: {error}") from error


def _make(place: Path, secret: bytes) -> None:
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=place.parent, prefix=f".{place.name}-") as file:
        file.write(secret)
        file.flush()
        os.fsync(file.fileno())
        # A link never replaces: when another process was first, its secret counts.
        with contextlib.suppress(FileExistsError):
            os.link(file.name, place)
    # Other things depend on the secret from now on, so that its name must outlive a power cut.
    folder = os.open(place.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def graphics_password() -> str:
    """A random password of 8 letters and digits for VNC or SPICE."""
    alphabet = string.ascii_letters + string.digits
    return "".join(random_source.choice(alphabet) for _ in range(GRAPHICS_PASSWORD_LENGTH))


def installation_token() -> str:
    """A random token with which a guest shows whose installation it tells of."""
    return random_source.token_urlsafe(32)


def random_password() -> str:
    """A random password that a person can type, 20 characters."""
    return random_source.token_urlsafe(15)


def fingerprint(text: str) -> str:
    """A one-way name for a long text, to compare inputs without keeping them."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
