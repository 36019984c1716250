"""Which edition of a medium is installed, and with which product key."""

from __future__ import annotations

from dataclasses import dataclass

from infinibay.errors import BadUserInput, FieldProblem
from infinibay.unattended.installation import Installation, WindowsImage

DEFAULT_EDITION = "Professional"

# The KMS client keys that Microsoft publishes: they install an edition and do not activate it. Home has none.
_GENERIC_KEYS = {
    "Professional": "W269N-WFGWX-YVC9B-4J6C9-T83GX",
    "ProfessionalN": "MH37W-N47XK-V7XM9-C7227-GCQG9",
    "ProfessionalWorkstation": "NRG8B-VKK3Q-CXVCJ-9G2XF-6Q84J",
    "ProfessionalWorkstationN": "9FNHH-K3HBT-3W4TD-6383H-6XYWF",
    "ProfessionalEducation": "6TP4R-GNPTD-KYYHQ-7B7DP-J447Y",
    "ProfessionalEducationN": "YVWGF-BXNMC-HTQYQ-CPQ99-66QFC",
    "Education": "NW6C2-QMPVW-D7KKK-3GKT6-VCFB2",
    "EducationN": "2WH4N-8QGBV-H22JP-CT43Q-MDWWJ",
    "Enterprise": "NPPR9-FWDCX-D2C8J-H872K-2YT43",
    "EnterpriseN": "DPH2V-TTNVB-4X9Q3-TJR4H-KHJW4",
    "EnterpriseS": "M7XTQ-FN8P6-TTKYV-9D4CC-J462D",
    "EnterpriseSN": "92NFX-8DJQP-P6BBQ-THF9C-7CG2H",
    "IoTEnterpriseS": "KBN8V-HFGQ4-MGXVD-347P6-PDQGT",
}
_KEYS_BY_CASE = {edition.casefold(): key for edition, key in _GENERIC_KEYS.items()}


@dataclass(frozen=True)
class Choice:
    """What Setup is told. No `image`: it takes the one that the key is for."""

    image: WindowsImage | None
    product_key: str


def choose(installation: Installation) -> Choice:
    """The image by its EDITIONID or name, else the key's, else Pro, else the only one that there is.

    Raises BadUserInput for an edition that the medium does not hold, and for one without a published key when none
    is given.
    """
    given = installation.product_key.upper() if installation.product_key else None
    images = installation.medium.images
    if installation.edition is None and given is not None:
        return Choice(images[0] if len(images) == 1 else None, given)
    if not images:
        return Choice(None, given or _generic_key(installation.edition or DEFAULT_EDITION))
    image = _named(images, installation.edition) if installation.edition is not None else _usual(images)
    return Choice(image, given or _generic_key(image.edition))


def _named(images: tuple[WindowsImage, ...], wanted: str) -> WindowsImage:
    key = wanted.strip().casefold()
    for image in images:
        if key in {image.edition.casefold(), image.name.casefold(), _short_name(image)}:
            return image
    raise BadUserInput(FieldProblem("edition", f"This medium holds no {wanted[:80]!r}, but {_listed(images)}"))


def _usual(images: tuple[WindowsImage, ...]) -> WindowsImage:
    if len(images) == 1:
        return images[0]
    for image in images:
        if image.edition == DEFAULT_EDITION:
            return image
    raise BadUserInput(FieldProblem("edition", f"This medium holds several editions, choose one: {_listed(images)}"))


def _generic_key(edition: str) -> str:
    key = _KEYS_BY_CASE.get(edition.strip().casefold())
    if key is None:
        raise BadUserInput(
            FieldProblem("productKey", f"There is no public key for {edition[:80]!r}: give a product key")
        )
    return key


def _short_name(image: WindowsImage) -> str:
    """`pro` of `Windows 11 Pro`."""
    words = image.name.casefold().split()
    return " ".join(words[2:] if words[:1] == ["windows"] else words)


def _listed(images: tuple[WindowsImage, ...]) -> str:
    return ", ".join(sorted(image.edition for image in images))
