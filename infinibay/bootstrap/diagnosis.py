"""The doctor of a host whose server may be stopped, or may not be able to start."""

from __future__ import annotations

from infinibay.bootstrap.foundation import make_directories, opened_database
from infinibay.services.doctor import Doctor, HostCheck
from infinibay.settings import Settings
from infinibay.virt.hypervisor import LibvirtHypervisor


async def diagnose(settings: Settings) -> list[HostCheck]:
    """All checks; starts the embedded database for a moment where it does not run."""

    async def database() -> str:
        make_directories(settings)
        async with opened_database(settings) as (_, opened):
            await opened.ping()
        return "answers" if settings.database_url else f"embedded, below {settings.infinibay_base_dir}"

    hypervisor = LibvirtHypervisor(settings.libvirt_uri, settings.run_dir)
    await hypervisor.open()
    try:
        return await Doctor(settings, hypervisor, {"database": database}).report()
    finally:
        await hypervisor.close()
