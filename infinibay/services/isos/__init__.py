"""Installation media: the files of the ISO directory, what they hold, and how they come and go."""

from infinibay.services.isos.service import IsoService
from infinibay.services.isos.uploads import IsoUploads

__all__ = ["IsoService", "IsoUploads"]
