"""The product as a service, from the command line."""

from __future__ import annotations

import sys
from pathlib import Path

from infinibay.host.facts import HostFacts, is_root
from infinibay.host.systemd import Systemd
from infinibay.services.installation import Checkout, Installation
from infinibay.settings import Settings, default_env_file, load


async def install(settings: Settings, root: Path | None) -> list[str]:
    """`root` is another system's, which is prepared for its next start. Raises InfinibayError."""
    # Kept apart from the environment, as the service will read it.
    of_env_file = load({}, default_env_file())
    return await _installation(settings, root).install(of_env_file, prepare_only=root is not None)


async def uninstall(settings: Settings, root: Path | None) -> list[str]:
    """Raises InfinibayError and OSError."""
    return await _installation(settings, root).uninstall(prepare_only=root is not None)


def _installation(settings: Settings, root: Path | None) -> Installation:
    systemd = Systemd(root or Path("/"), runs=root is None and HostFacts().has_systemd())
    # Not resolved: the environment's own interpreter is a link, and only under this name it finds its packages.
    checkout = Checkout(default_env_file().parent, Path(sys.executable))
    return Installation(settings, checkout, systemd, is_root=is_root())
