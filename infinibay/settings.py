"""Every setting, read once: environment over `.env` over the default. No other module reads the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values

from infinibay.errors import SettingError

# For APP_HOST the sign for "find it out", which is never bound.
ANY_ADDRESS = "0.0.0.0"  # noqa: S104
DomainTypeSetting = Literal["auto", "kvm", "qemu"]


@dataclass(frozen=True)
class Settings:
    """The settings of one server; each field is the environment variable of the same name in capitals.

    Sizes are GB or seconds as the field's name says. `.env.example` documents each one; a test keeps both equal.
    """

    host: str
    port: int
    infinibay_base_dir: Path
    database_url: str | None
    libvirt_uri: str
    infinibay_storage_pool_name: str
    infinibay_storage_pool_path: Path | None
    infinibay_iso_dir: Path
    infinibay_iso_temp_dir: Path
    infinibay_iso_quota_gb: int
    libvirt_network_name: str
    default_admin_email: str
    default_admin_password: str | None
    app_host: str
    graphic_host: str
    graphic_protocol: Literal["vnc", "spice"]
    tokenkey: str | None
    token_hours: int
    allowed_origins: tuple[str, ...]
    infinibay_domain_type: DomainTypeSetting
    infinibay_keep_failed: bool
    infinibay_power_off_seconds: int
    infinibay_media_mode: Literal["seed", "remaster"]
    infinibay_media_budget: int
    infinibay_installer_begin_seconds: int
    infinibay_installer_seconds: int
    infinibay_first_boot_seconds: int
    infinibay_start_budget: int
    infinibay_operation_days: int
    infinibay_log_level: str
    prisma_query_engine_binary: Path | None

    def __repr__(self) -> str:
        shown = (f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if f.name not in _SECRET_FIELDS)
        return f"Settings({', '.join(shown)})"

    @property
    def new_pool_path(self) -> Path:
        """Where the storage pool is made when there is none."""
        return self.infinibay_storage_pool_path or self.infinibay_base_dir / "disks"

    @property
    def run_dir(self) -> Path:
        """Sockets and pid files."""
        return self.infinibay_base_dir / "run"

    @property
    def database_dir(self) -> Path:
        """Data directory of the embedded PostgreSQL."""
        return self.infinibay_base_dir / "database"

    @property
    def key_file(self) -> Path:
        """The key that encrypts secrets and signs tokens (0600), made at the first start."""
        return self.infinibay_base_dir / "secrets" / "key"

    @property
    def host_id_file(self) -> Path:
        """This host's id in the database, made at the first start."""
        return self.infinibay_base_dir / "host-id"

    @property
    def first_admin_file(self) -> Path:
        """Where the first administrator's random password goes when there is no terminal."""
        return self.infinibay_base_dir / "first-admin"

    @property
    def metrics_token_file(self) -> Path:
        """The token that opens `/metrics` (0600), made at the first start."""
        return self.infinibay_base_dir / "metrics-token"


_SECRET_FIELDS = frozenset({"default_admin_password", "tokenkey", "database_url"})
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[?[0-9A-Fa-f:.]+\]?")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_ORIGIN = re.compile(r"https?://[^\s/]+")
_LIBVIRT_URI = re.compile(r"[a-z0-9+]+://\S*")
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def default_env_file() -> Path:
    """`.env` in the folder that the process started in."""
    return Path.cwd() / ".env"


def secrets_in(env_file: Path) -> list[str]:
    """The variables of a file of settings that others must not read. Raises OSError."""
    return [
        name
        for name, text in dotenv_values(env_file, interpolate=False).items()
        if text and name.lower() in _SECRET_FIELDS
    ]


def load(environment: Mapping[str, str] | None = None, env_file: Path | None = None) -> Settings:
    """Reads the settings. Raises SettingError that names the first variable with a wrong value."""
    # Without interpolation a password may hold a dollar sign.
    file = default_env_file() if env_file is None else env_file
    try:
        file_values = dotenv_values(file, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise SettingError(str(file), f"can't be read: {reason}") from None
    real = os.environ if environment is None else environment
    values = _Reader({**_given(file_values), **_given(real)})
    base = values.path("INFINIBAY_BASE_DIR", Path("/opt/infinibay"))
    iso_dir = values.path("INFINIBAY_ISO_DIR", base / "iso")
    return Settings(
        host=values.host("HOST", "127.0.0.1"),
        port=values.whole("PORT", 4000, 0, 65535),
        infinibay_base_dir=base,
        database_url=values.database_url("DATABASE_URL"),
        libvirt_uri=values.matching(
            "LIBVIRT_URI", "qemu:///system", _LIBVIRT_URI, "a libvirt URI such as qemu:///system"
        ),
        infinibay_storage_pool_name=values.name("INFINIBAY_STORAGE_POOL_NAME", "default"),
        infinibay_storage_pool_path=values.given_path("INFINIBAY_STORAGE_POOL_PATH"),
        infinibay_iso_dir=iso_dir,
        infinibay_iso_temp_dir=values.path("INFINIBAY_ISO_TEMP_DIR", base / "iso" / "temp"),
        infinibay_iso_quota_gb=values.whole("INFINIBAY_ISO_QUOTA_GB", 500, 1, 1_000_000),
        libvirt_network_name=values.name("LIBVIRT_NETWORK_NAME", "default"),
        default_admin_email=values.matching("DEFAULT_ADMIN_EMAIL", "admin@example.com", _EMAIL, "an e-mail address"),
        default_admin_password=values.optional("DEFAULT_ADMIN_PASSWORD"),
        app_host=values.host("APP_HOST", ANY_ADDRESS),
        graphic_host=values.host("GRAPHIC_HOST", "localhost"),
        graphic_protocol="spice" if values.choice("GRAPHIC_PROTOCOL", "vnc", ("vnc", "spice")) == "spice" else "vnc",
        tokenkey=values.secret("TOKENKEY", 16),
        token_hours=values.whole("TOKEN_HOURS", 12, 1, 8760),
        allowed_origins=values.origins("ALLOWED_ORIGINS"),
        infinibay_domain_type=values.domain_type("INFINIBAY_DOMAIN_TYPE"),
        infinibay_keep_failed=values.flag("INFINIBAY_KEEP_FAILED", True),
        infinibay_power_off_seconds=values.whole("INFINIBAY_POWER_OFF_SECONDS", 30, 1, 3600),
        infinibay_media_mode="remaster"
        if values.choice("INFINIBAY_MEDIA_MODE", "seed", ("seed", "remaster")) == "remaster"
        else "seed",
        infinibay_installer_begin_seconds=values.whole("INFINIBAY_INSTALLER_BEGIN_SECONDS", 900, 1, 86400),
        infinibay_installer_seconds=values.whole("INFINIBAY_INSTALLER_SECONDS", 7200, 1, 604800),
        infinibay_first_boot_seconds=values.whole("INFINIBAY_FIRST_BOOT_SECONDS", 3600, 1, 604800),
        infinibay_media_budget=values.whole("INFINIBAY_MEDIA_BUDGET", 2, 1, 64),
        infinibay_start_budget=values.whole("INFINIBAY_START_BUDGET", 4, 1, 64),
        infinibay_operation_days=values.whole("INFINIBAY_OPERATION_DAYS", 90, 1, 36500),
        infinibay_log_level=values.choice("INFINIBAY_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")),
        prisma_query_engine_binary=values.program("PRISMA_QUERY_ENGINE_BINARY"),
    )


def _given(values: Mapping[str, str | None]) -> dict[str, str]:
    """Without the empty texts, which count as unset."""
    return {name: text for name, text in values.items() if text}


class _Reader:
    """Turns texts into values."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def optional(self, name: str) -> str | None:
        return self._values.get(name)

    def text(self, name: str, default: str) -> str:
        return self.optional(name) or default

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        text = self.text(name, str(default))
        try:
            number = int(text)
        except ValueError:
            raise SettingError(name, f"must be a whole number, not {text!r}") from None
        if not least <= number <= most:
            raise SettingError(name, f"must be between {least} and {most}, not {number}")
        return number

    def flag(self, name: str, default: bool) -> bool:
        return self.choice(name, "1" if default else "0", ("0", "1")) == "1"

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        text = self.text(name, default)
        if text not in allowed:
            raise SettingError(name, f"must be one of {', '.join(allowed)}, not {text!r}")
        return text

    def domain_type(self, name: str) -> DomainTypeSetting:
        match self.choice(name, "auto", ("auto", "kvm", "qemu")):
            case "kvm":
                return "kvm"
            case "qemu":
                return "qemu"
            case _:
                return "auto"

    def path(self, name: str, default: Path) -> Path:
        return self.given_path(name) or default

    def given_path(self, name: str) -> Path | None:
        text = self.optional(name)
        if text is None:
            return None
        if not Path(text).is_absolute():
            raise SettingError(name, f"must be an absolute path, not {text!r}")
        return Path(text)

    def program(self, name: str) -> Path | None:
        text = self.optional(name)
        if text is None:
            return None
        path = Path(text)
        if not path.is_file() or not os.access(path, os.X_OK):
            raise SettingError(name, f"must name an executable file, not {text!r}")
        return path

    def matching(self, name: str, default: str, pattern: re.Pattern[str], wanted: str) -> str:
        text = self.text(name, default)
        if not pattern.fullmatch(text):
            raise SettingError(name, f"must be {wanted}, not {text!r}")
        return text

    def host(self, name: str, default: str) -> str:
        return self.matching(name, default, _HOST, "a host name or an address")

    def name(self, name: str, default: str) -> str:
        text = self.text(name, default)
        if "/" in text or text != text.strip() or not text.isprintable():
            raise SettingError(name, f"must be a libvirt name without a slash, not {text!r}")
        return text

    def origins(self, name: str) -> tuple[str, ...]:
        origins = tuple(part.strip() for part in self.text(name, "").split(",") if part.strip())
        for origin in origins:
            if not _ORIGIN.fullmatch(origin):
                raise SettingError(name, f"must list origins such as https://example.com, not {origin!r}")
        return origins

    def secret(self, name: str, least: int) -> str | None:
        text = self.optional(name)
        if text is not None and len(text) < least:
            raise SettingError(name, f"must have at least {least} characters")
        return text

    def database_url(self, name: str) -> str | None:
        text = self.optional(name)
        if text is not None and not text.startswith(("postgresql://", "postgres://")):
            raise SettingError(name, "must start with postgresql://")
        if text is not None and not _is_url(text):
            raise SettingError(name, "must be a URL, with special characters of its user and password written as %XX")
        return text


def _is_url(text: str) -> bool:
    """Whether every reader of a URL takes it apart at the same places."""
    try:
        parts = urlsplit(text)
        return parts.port != 0 and parts.netloc.count("@") <= 1 and not _LONE_PERCENT.search(text)
    except ValueError:
        return False
