"""From a wish for a machine, and later from its rows, to what its answer files say."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Literal

from infinibay.core.operating_systems import OPERATING_SYSTEMS, OperatingSystem
from infinibay.db import isos, rows
from infinibay.db.client import Database
from infinibay.db.machines import NewInstallation
from infinibay.errors import FieldProblem, NotFound, UnusableMedium
from infinibay.services.isos.contents import medium_of
from infinibay.services.machines.installation_secrets import Installation as Secret
from infinibay.services.machines.installation_secrets import MachineSecrets
from infinibay.services.machines.requests import CreateMachineRequest
from infinibay.services.machines.work import first_boot_work
from infinibay.unattended.api import UnattendedManager
from infinibay.unattended.factory import create_image_manager, create_unattended_manager
from infinibay.unattended.installation import Account, Firmware, Installation, Keyboard, Medium, ReportHome
from infinibay.unattended.names import host_name
from infinibay.unattended.password_hash import linux_password_hash

MediaMode = Literal["seed", "remaster"]
Mode = Literal["seed", "remaster", "manual", "image"]

DEFAULT_LOCALE, DEFAULT_KEYBOARD, DEFAULT_TIMEZONE = "en_US", "us", "Etc/UTC"
# Stands for the hash, which is made when the medium is.
_SOME_HASH = f"$6$saltsalt${'x' * 86}"
# An image brings its system; no answer depends on which.
IN_IMAGE = Medium(version="")
_UNKNOWN = "Nothing is known of this medium, so its installer has to be answered by hand"


@dataclass(frozen=True)
class Wish:
    """How a machine shall be installed, what is wrong with that, and what its user should know."""

    new: NewInstallation
    problems: tuple[FieldProblem, ...] = ()
    warnings: tuple[str, ...] = ()


def wish(
    request: CreateMachineRequest, system: OperatingSystem, medium: Medium | None, firmware: Firmware, usual: MediaMode
) -> Wish:
    """Without a mode in the request the usual one is taken, or a person's answers where nothing is known of the
    medium. What begins with an image has no installer."""
    mode: Mode = request.media_mode or (usual if medium is not None else "manual")
    if request.base_image is not None:
        mode = "image"
    new = NewInstallation(
        mode=mode,
        locale=request.locale or DEFAULT_LOCALE,
        keyboard=request.keyboard or DEFAULT_KEYBOARD,
        timezone=request.timezone or DEFAULT_TIMEZONE,
        hostname=request.hostname or "",
        ssh_keys=request.ssh_keys,
        packages=request.packages,
        edition=request.edition,
    )
    if mode == "manual":
        warning = _UNKNOWN if medium is None else "The installer is started from its medium and answered by hand"
        return Wish(new, warnings=(warning,))
    if medium is None:
        return Wish(new, (FieldProblem("isoId", _UNKNOWN),))
    account = _account(system, request.username, request.password, _SOME_HASH)
    manager = manager_of(system, mode)
    name = new.hostname or host_name(request.name, "0" * 8)
    return Wish(new, manager.problems(_installation(new, name, account, medium, firmware, request.product_key)))


def manager_of(system: OperatingSystem, mode: str) -> UnattendedManager:
    """Who writes the answers: for the installer of the system, or for an image of it."""
    return create_image_manager(system) if mode == "image" else create_unattended_manager(system.name)


async def kept_installation(
    db: Database,
    secrets: MachineSecrets,
    machine: rows.Machine,
    row: rows.Installation,
    iso_name: str,
    home: ReportHome | None,
) -> Installation:
    """What the answer files of a machine say, its applications and scripts among it. UnusableMedium, NotFound or
    BadUserInput say what is gone or was changed since the machine was wished for."""
    medium = IN_IMAGE if row.mode == "image" else await _medium(db, iso_name)
    secret = await secrets.installation(db, machine.id)
    if secret is None:
        raise NotFound("The password for the installation was erased")
    system = OPERATING_SYSTEMS[machine.os]
    work = await first_boot_work(db, machine, secret, create_unattended_manager(machine.os))
    hashed = await asyncio.to_thread(_password_hash, system, secret.password)
    installation = _of_rows(row, machine, system, medium, secret, hashed)
    return replace(installation, applications=work.applications, scripts=work.scripts, report_home=home)


async def _medium(db: Database, iso_name: str) -> Medium:
    known = await isos.find_by_name(db, iso_name)
    medium = medium_of(known) if known is not None else None
    if medium is None:
        raise UnusableMedium(f"The ISO {iso_name} is no longer the one that was chosen")
    return medium


def _of_rows(
    row: rows.Installation, machine: rows.Machine, system: OperatingSystem, medium: Medium, secret: Secret, hashed: str
) -> Installation:
    """What the answer files of a machine say; `hashed` is its password's hash."""
    firmware: Firmware = "bios" if machine.configuration and machine.configuration.firmware == "bios" else "efi"
    kept = NewInstallation(
        mode=row.mode,
        locale=row.locale,
        keyboard=row.keyboard,
        timezone=row.timezone,
        hostname=row.hostname,
        ssh_keys=tuple(row.sshKeys),
        packages=tuple(row.packages),
        edition=row.edition,
    )
    account = _account(system, secret.username, secret.password, hashed)
    return _installation(
        kept, row.hostname or host_name(machine.name, machine.id), account, medium, firmware, secret.product_key
    )


def _password_hash(system: OperatingSystem, password: str) -> str:
    """What a Linux is given in the password's place; that takes work. Windows knows no hash."""
    return "" if system.is_windows else linux_password_hash(password)


def _account(system: OperatingSystem, username: str, password: str, hashed: str) -> Account:
    if system.is_windows:
        return Account(username, password=password)
    return Account(username, password_hash=hashed)


def _installation(
    new: NewInstallation,
    name: str,
    account: Account,
    medium: Medium,
    firmware: Firmware,
    product_key: str | None,
) -> Installation:
    layout, _, variant = new.keyboard.partition(" ")
    return Installation(
        host_name=name,
        account=account,
        medium=medium,
        firmware=firmware,
        locale=new.locale,
        keyboard=Keyboard(layout, variant),
        time_zone=new.timezone,
        packages=new.packages,
        ssh_keys=new.ssh_keys,
        edition=new.edition,
        product_key=product_key,
    )
