from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
from dotenv import dotenv_values

from infinibay import settings as settings_module
from infinibay.errors import SettingError
from infinibay.settings import Settings, load

EXAMPLE = Path(__file__).parents[2] / ".env.example"
ABSENT = Path("/nonexistent/.env")

WRONG = [
    ("HOST", "a host"),
    ("HOST", "http://here"),
    ("PORT", "many"),
    ("PORT", "65536"),
    ("PORT", "-1"),
    ("INFINIBAY_BASE_DIR", "relative/folder"),
    ("DATABASE_URL", "mysql://here/there"),
    ("DATABASE_URL", "postgresql://me:hidden#1@db/x"),
    ("DATABASE_URL", "postgresql://me:hidden/1@db/x"),
    ("DATABASE_URL", "postgresql://me:hidden?1@db/x"),
    ("DATABASE_URL", "postgresql://me:hidden%ss@db/x"),
    ("DATABASE_URL", "postgresql://me:hidden@1@db/x"),
    ("DATABASE_URL", "postgresql://me:hidden@db:port/x"),
    ("LIBVIRT_URI", "qemu"),
    ("LIBVIRT_URI", "qemu:///sys tem"),
    ("INFINIBAY_STORAGE_POOL_NAME", "a/b"),
    ("INFINIBAY_STORAGE_POOL_NAME", " padded"),
    ("INFINIBAY_STORAGE_POOL_PATH", "disks"),
    ("INFINIBAY_ISO_DIR", "iso"),
    ("INFINIBAY_ISO_TEMP_DIR", "iso/temp"),
    ("LIBVIRT_NETWORK_NAME", "net\nwork"),
    ("DEFAULT_ADMIN_EMAIL", "nobody"),
    ("DEFAULT_ADMIN_EMAIL", "@"),
    ("DEFAULT_ADMIN_EMAIL", "a@b@c"),
    ("DEFAULT_ADMIN_EMAIL", "a b@c"),
    ("APP_HOST", "here/there"),
    ("GRAPHIC_HOST", "local host"),
    ("GRAPHIC_PROTOCOL", "rdp"),
    ("TOKENKEY", "short"),
    ("TOKEN_HOURS", "0"),
    ("ALLOWED_ORIGINS", "https://good.example,bad.example"),
    ("ALLOWED_ORIGINS", "https://example.com/path"),
    ("INFINIBAY_DOMAIN_TYPE", "xen"),
    ("INFINIBAY_KEEP_FAILED", "yes"),
    ("INFINIBAY_POWER_OFF_SECONDS", "0"),
    ("INFINIBAY_ISO_QUOTA_GB", "0"),
    ("INFINIBAY_MEDIA_MODE", "copy"),
    ("INFINIBAY_INSTALLER_BEGIN_SECONDS", "0"),
    ("INFINIBAY_INSTALLER_SECONDS", "0"),
    ("INFINIBAY_FIRST_BOOT_SECONDS", "a day"),
    ("INFINIBAY_MEDIA_BUDGET", "65"),
    ("INFINIBAY_START_BUDGET", "1.5"),
    ("INFINIBAY_OPERATION_DAYS", "0"),
    ("INFINIBAY_LOG_LEVEL", "LOUD"),
    ("PRISMA_QUERY_ENGINE_BINARY", "/nonexistent/engine"),
]


def _variables() -> set[str]:
    return {field.name.upper() for field in fields(Settings)}


def test_example_documents_exactly_the_settings() -> None:
    assert set(dotenv_values(EXAMPLE)) == _variables()


def test_example_shows_the_defaults() -> None:
    assert load({}, EXAMPLE) == load({}, ABSENT)


def test_example_says_one_sentence_before_each_setting_and_the_default_of_each_empty_one() -> None:
    lines = EXAMPLE.read_text().splitlines()
    for place, line in enumerate(lines):
        if re.fullmatch(r"[A-Z_]+=.*", line):
            comment = lines[place - 1]
            assert comment.startswith("# ")
            assert comment.endswith(".")
            assert ("Not set: " in comment) == line.endswith("=")


def test_derived_folders_follow_the_base_folder() -> None:
    settings = load({"INFINIBAY_BASE_DIR": "/srv/cloud"}, ABSENT)
    assert settings.infinibay_storage_pool_path is None
    assert settings.new_pool_path == Path("/srv/cloud/disks")
    assert settings.infinibay_iso_dir == Path("/srv/cloud/iso")
    assert settings.infinibay_iso_temp_dir == Path("/srv/cloud/iso/temp")
    assert settings.key_file == Path("/srv/cloud/secrets/key")
    assert settings.host_id_file == Path("/srv/cloud/host-id")


def test_every_setting_but_a_free_text_has_a_wrong_value_here() -> None:
    assert _variables() - {name for name, _ in WRONG} == {"DEFAULT_ADMIN_PASSWORD"}


@pytest.mark.parametrize(("variable", "value"), WRONG)
def test_wrong_value_names_its_variable(variable: str, value: str) -> None:
    with pytest.raises(SettingError) as caught:
        load({variable: value}, ABSENT)
    assert caught.value.variable == variable
    assert caught.value.message.startswith(f"{variable} must ")
    assert "hidden" not in caught.value.message


def test_environment_comes_before_the_file_and_the_file_before_the_default(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("PORT=5000\nHOST=10.0.0.1\n")
    settings = load({"PORT": "6000"}, file)
    assert (settings.port, settings.host, settings.token_hours) == (6000, "10.0.0.1", 12)


def test_empty_text_in_the_environment_counts_as_not_set(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("PORT=5000\n")
    assert load({"PORT": ""}, file).port == 5000


def test_file_in_the_working_folder_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("PORT=5000\n")
    monkeypatch.chdir(tmp_path)
    assert load({}).port == 5000


def test_password_in_the_file_keeps_its_dollar_signs(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("DEFAULT_ADMIN_PASSWORD='a${HOME}b$c'\n")
    assert load({}, file).default_admin_password == "a${HOME}b$c"


def test_origins_are_split_and_trimmed() -> None:
    origins = load({"ALLOWED_ORIGINS": "https://a.example, http://localhost:3000,"}, ABSENT).allowed_origins
    assert origins == ("https://a.example", "http://localhost:3000")


@pytest.mark.parametrize("host", ["0.0.0.0", "::1", "[::1]", "host-1.example.com", "localhost"])
def test_hosts_are_names_and_addresses(host: str) -> None:
    assert load({"HOST": host}, ABSENT).host == host


def test_secrets_are_not_shown() -> None:
    given = {
        "DEFAULT_ADMIN_PASSWORD": "hidden-1",
        "TOKENKEY": "hidden-2-and-long-enough",
        "DATABASE_URL": "postgresql://user:hidden-3@db/infinibay",
    }
    shown = repr(load(given, ABSENT))
    assert "hidden" not in shown
    assert "port=4000" in shown


def test_secret_values_are_not_in_the_error() -> None:
    with pytest.raises(SettingError) as caught:
        load({"DATABASE_URL": "mysql://user:hidden@db"}, ABSENT)
    assert str(caught.value) == "DATABASE_URL must start with postgresql://"


def test_a_file_of_another_encoding_is_named(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("PORT=5000\nDEFAULT_ADMIN_PASSWORD=café", encoding="latin-1")
    with pytest.raises(SettingError) as caught:
        load({}, file)
    assert caught.value.message == f"{file} can't be read: it is no UTF-8"


def test_a_file_that_can_t_be_opened_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> dict[str, str]:
        raise PermissionError(13, "Permission denied")

    # Root may open everything.
    monkeypatch.setattr(settings_module, "dotenv_values", refused)
    with pytest.raises(SettingError) as caught:
        load({}, tmp_path / ".env")
    assert caught.value.message == f"{tmp_path}/.env can't be read: Permission denied"
