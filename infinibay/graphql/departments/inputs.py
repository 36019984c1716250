"""What clients send about departments."""

from __future__ import annotations

import strawberry


@strawberry.input
class UpdateDepartmentNameInput:
    id: strawberry.ID
    name: str
