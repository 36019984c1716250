"""Installation media as clients see them."""

from __future__ import annotations

import strawberry

from infinibay.graphql.scalars import DateTimeISO
from infinibay.services.isos.library import IsoView
from infinibay.services.isos.service import SystemStatus


@strawberry.type
class ISO:
    """A medium; `size` in bytes. `path` is its place in the ISO directory. Without a `checksum` it was not read as a
    whole yet. `problem` says why it is not available. `boots` names firmwares: bios, efi."""

    id: strawberry.ID
    filename: str
    os: str
    version: str | None
    editions: list[str]
    architecture: str | None
    label: str | None
    boots: list[str]
    size: str
    path: str
    checksum: str | None
    download_url: str | None
    is_available: bool
    is_default: bool
    problem: str | None
    uploaded_at: DateTimeISO
    last_verified: DateTimeISO | None
    created_at: DateTimeISO
    updated_at: DateTimeISO

    @classmethod
    def from_result(cls, view: IsoView) -> ISO:
        row = view.row
        return cls(
            id=strawberry.ID(row.id),
            filename=row.filename,
            os=row.os.upper(),
            version=row.version,
            editions=list(row.editions or ()),
            architecture=row.architecture,
            label=row.label,
            boots=list(row.boots or ()),
            size=str(row.sizeBytes),
            path=row.filename,
            checksum=row.sha256,
            download_url=None,
            is_available=row.problem is None,
            is_default=view.is_default,
            problem=row.problem,
            uploaded_at=DateTimeISO(row.createdAt),
            last_verified=DateTimeISO(row.lastVerified) if row.lastVerified else None,
            created_at=DateTimeISO(row.createdAt),
            updated_at=DateTimeISO(row.updatedAt),
        )


@strawberry.type
class ISOStatus:
    """Whether a system can be installed, and from which medium."""

    os: str
    available: bool
    iso: ISO | None

    @classmethod
    def from_result(cls, status: SystemStatus) -> ISOStatus:
        return cls(
            os=status.system, available=status.available, iso=ISO.from_result(status.view) if status.view else None
        )


@strawberry.type
class ISOAvailabilityMap:
    os: str
    available: bool

    @classmethod
    def from_result(cls, status: SystemStatus) -> ISOAvailabilityMap:
        return cls(os=status.system, available=status.available)
