"""Images: what machines begin with in place of an installer."""

from infinibay.services.images.clone import Cloner
from infinibay.services.images.service import ImageService

__all__ = ["Cloner", "ImageService"]
