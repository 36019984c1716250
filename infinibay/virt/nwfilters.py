"""Network filters through libvirt, by name."""

from __future__ import annotations

import libvirt

from infinibay.errors import HypervisorError, ObjectExists, ObjectMissing
from infinibay.libvirtxml import reader
from infinibay.libvirtxml.element import parse
from infinibay.log import get_logger
from infinibay.virt import errors, filter_bindings
from infinibay.virt.connection import Connection, Kind

log = get_logger(__name__)


class LibvirtNwFilters:
    """See `infinibay.virt.api.NwFilters`. The test driver has none: every method raises Unsupported there."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find_xml(self, name: str) -> str | None:
        def read(connection: libvirt.virConnect) -> str:
            xml: str = connection.nwfilterLookupByName(name).XMLDesc(0)
            return xml

        try:
            return await self._connection.call(Kind.QUERY, read)
        except ObjectMissing:
            return None

    async def list_names(self) -> list[str]:
        return await self._connection.call(
            Kind.QUERY, lambda connection: [found.name() for found in connection.listAllNWFilters(0)]
        )

    async def define(self, xml: str) -> None:
        """Defines or, with the same UUID, replaces a filter; running guests get the new rules before this returns.

        Raises ObjectExists when the name belongs to another UUID.
        """
        try:
            await self._connection.call(
                Kind.CHANGE,
                lambda connection: connection.nwfilterDefineXMLFlags(xml, libvirt.VIR_NWFILTER_DEFINE_VALIDATE),
            )
        except HypervisorError as error:
            log.error("virt.nwfilter_define_failed", reason=error.message, xml=xml)  # noqa: TRY400 - it is raised on
            # The same code also says that the rules could not be put in force, so only the UUIDs tell.
            if (taken := errors.name_taken(error)) is not None and await self._belongs_to_another(xml):
                raise taken from error
            raise

    async def undefine(self, name: str) -> None:
        """With the bindings to it that a daemon has abandoned."""

        def change(connection: libvirt.virConnect) -> None:
            filter_bindings.remove_of_filter(connection, name)
            connection.nwfilterLookupByName(name).undefine()

        await self._connection.call(Kind.CHANGE, change)

    async def _belongs_to_another(self, xml: str) -> bool:
        wanted = parse(xml)
        present = await self.find_xml(wanted.get("name", ""))
        if present is None:
            raise ObjectExists(f"The UUID of the filter {wanted.get('name')!r} belongs to another filter.")
        return reader.uuid(present) != wanted.findtext("uuid")
