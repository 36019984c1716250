"""The applications that a database gets once: those that the systems' own packages, or winget's, bring."""

from __future__ import annotations

from dataclasses import dataclass, field

from infinibay.core import naming
from infinibay.db import applications, marks
from infinibay.db.applications import ApplicationValues
from infinibay.db.client import Database
from infinibay.log import get_logger

log = get_logger(__name__)

_MARK = "first-applications"
_WINGET = (
    "winget install --exact --id {} --silent --disable-interactivity --accept-package-agreements"
    " --accept-source-agreements"
)
# The program that a first boot offers: it waits for other installers, and tries again what the network does not give.
_PACKAGES = 'sh "$INFINIBAY_SETUP/install" {}'


@dataclass(frozen=True)
class _Known:
    """An application by winget's id, and by the packages of each Linux or family of them."""

    name: str
    description: str
    winget: str | None = None
    packages: dict[str, str] = field(default_factory=dict)

    def to_values(self) -> ApplicationValues:
        commands = {system: _PACKAGES.format(packages) for system, packages in self.packages.items()}
        if self.winget is not None:
            commands["windows"] = _WINGET.format(self.winget)
        return ApplicationValues(
            name=self.name,
            name_key=naming.name_key(self.name),
            description=self.description,
            os=tuple(sorted(commands)),
            install_command=commands,
            parameters={},
        )


_ALL = (
    _Known("7-Zip", "Archives", "7zip.7zip", {"ubuntu": "p7zip-full", "debian": "p7zip-full"}),
    _Known("Docker", "Containers", None, {"ubuntu": "docker.io", "debian": "docker.io", "fedora": "moby-engine"}),
    _Known("Git", "Version control", "Git.Git", {"ubuntu": "git", "debian": "git", "redhat": "git"}),
    _Known("Google Chrome", "Web browser", "Google.Chrome"),
    _Known(
        "Java",
        "Java development kit",
        "EclipseAdoptium.Temurin.21.JDK",
        {"ubuntu": "default-jdk", "debian": "default-jdk", "fedora": "java-latest-openjdk-devel"},
    ),
    _Known(
        "Node.js",
        "JavaScript runtime",
        "OpenJS.NodeJS.LTS",
        {"ubuntu": "nodejs npm", "debian": "nodejs npm", "fedora": "nodejs npm"},
    ),
    _Known("Notepad++", "Text editor", "Notepad++.Notepad++"),
    _Known(
        "Python",
        "Programming language",
        "Python.Python.3.13",
        {
            "ubuntu": "python3 python3-pip python3-venv",
            "debian": "python3 python3-pip python3-venv",
            "redhat": "python3 python3-pip",
        },
    ),
    _Known("Slack", "Messages", "SlackTechnologies.Slack"),
    _Known("VLC", "Media player", "VideoLAN.VLC", {"ubuntu": "vlc", "debian": "vlc", "fedora": "vlc"}),
    _Known("Visual Studio Code", "Code editor", "Microsoft.VisualStudioCode"),
    _Known("Zoom", "Video calls", "Zoom.Zoom"),
)
FIRST_APPLICATIONS = tuple(known.to_values() for known in _ALL)


async def lay_first_applications(database: Database) -> bool:
    """Makes them once in the life of a database, so that what an administrator deletes stays deleted; true if it did.

    An application that has such a name already stays as it is.
    """
    async with database.tx() as tx:
        if not await marks.set_once(tx, _MARK):
            return False
        await applications.create_missing(tx, FIRST_APPLICATIONS)
    log.info("start.first_applications")
    return True
