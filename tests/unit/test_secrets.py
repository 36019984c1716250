from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from infinibay.errors import InfinibayError, SettingError
from infinibay.secrets import Vault, fingerprint, graphics_password, metrics_token, open_vault, random_password


def test_first_start_makes_a_private_key_and_the_next_reads_it(tmp_path: Path) -> None:
    key_file = tmp_path / "secrets" / "key"
    first = open_vault(key_file)
    assert open_vault(key_file) == first
    assert len(first.master_key) == 32
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert key_file.parent.stat().st_mode & 0o777 == 0o700
    assert list(key_file.parent.iterdir()) == [key_file]


def test_processes_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    key_file = tmp_path / "secrets" / "key"
    program = "import pathlib, sys; from infinibay.secrets import open_vault; "
    program += "print(open_vault(pathlib.Path(sys.argv[1])).master_key.hex())"
    command = [sys.executable, "-c", program, str(key_file)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    keys = [process.communicate()[0].strip() for process in processes]
    assert keys == [key_file.read_bytes().hex()] * 4
    assert list(key_file.parent.iterdir()) == [key_file]


def test_damaged_key_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    key_file.write_bytes(b"short")
    with pytest.raises(SettingError) as caught:
        open_vault(key_file)
    assert str(caught.value) == f"INFINIBAY_BASE_DIR holds a damaged key file: {key_file}"
    assert key_file.read_bytes() == b"short"


def test_folder_that_cannot_be_made_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SettingError) as caught:
        open_vault(tmp_path / "file" / "secrets" / "key")
    assert caught.value.variable == "INFINIBAY_BASE_DIR"


@pytest.mark.parametrize("text", ["", "plain", "ümläut 🔑 \x00 'quote'", "x" * 10_000])
def test_sealed_text_opens_again_and_does_not_show(text: str) -> None:
    vault = Vault(b"k" * 32)
    sealed = vault.encrypt(text)
    assert sealed.isascii()
    assert vault.decrypt(sealed) == text
    assert not text or text not in sealed
    assert vault.encrypt(text) != sealed


@pytest.mark.parametrize("sealed", [Vault(b"o" * 32).encrypt("text"), "", "nonsense", "ümläut"])
def test_what_another_key_sealed_is_a_clear_error(sealed: str) -> None:
    with pytest.raises(InfinibayError, match="A secret cannot be opened"):
        Vault(b"k" * 32).decrypt(sealed)


def test_keys_for_different_purposes_differ() -> None:
    vault = Vault(b"k" * 32)
    assert vault.token_key() == Vault(b"k" * 32).token_key()
    assert vault.token_key() != Vault(b"o" * 32).token_key()
    assert vault.token_key() != vault.master_key
    assert len(vault.token_key()) == 32


def test_master_key_is_not_shown() -> None:
    assert repr(Vault(b"k" * 32)) == "Vault()"


def test_random_passwords_have_their_form_and_differ() -> None:
    graphics = {graphics_password() for _ in range(100)}
    typed = {random_password() for _ in range(100)}
    assert len(graphics) == len(typed) == 100
    assert all(re.fullmatch(r"[A-Za-z0-9]{8}", password) for password in graphics)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{20}", password) for password in typed)


def test_fingerprint_is_stable() -> None:
    assert fingerprint("a") == "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"


def test_the_token_of_the_figures_is_made_once_and_an_operator_s_own_one_counts(tmp_path: Path) -> None:
    file = tmp_path / "metrics-token"
    first = metrics_token(file)
    assert (metrics_token(file), file.read_text(), len(first)) == (first, f"{first}\n", 43)
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text("  a token of one's own\n\n")
    assert metrics_token(file) == "a token of one's own"


@pytest.mark.parametrize("content", [b"", b"\n", b"too short\n", b"\xff\xfe"])
def test_a_token_that_can_be_guessed_stops_the_start(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "metrics-token"
    file.write_bytes(content)
    with pytest.raises(SettingError, match="holds a token of fewer than 16 characters"):
        metrics_token(file)
    assert file.read_bytes() == content
