"""What machines need of this host, and how it stands."""

from __future__ import annotations

from infinibay.services.doctor.checks import CheckState, HostCheck
from infinibay.services.doctor.doctor import Doctor

__all__ = ["CheckState", "Doctor", "HostCheck"]
