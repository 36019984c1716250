"""Whatever may be asked for, what the installer reads back is what went in."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from infinibay.core.operating_systems import OPERATING_SYSTEMS
from infinibay.unattended.factory import create_image_manager, create_unattended_manager
from infinibay.unattended.installation import Installation
from infinibay.unattended.quoting import shell_word
from tests.support.answers import kickstart_archive, read_kickstart, read_preseed, unpacked
from tests.support.installations import RED_HAT, WINDOWS, installations
from tests.support.scale import count

_HOME = "var/lib/infinibay/setup"
_NAMESPACES = {"u": "urn:schemas-microsoft-com:unattend"}
_KEYBOARDS = {"us": "0409:00000409", "de": "0407:00000407", "ch": "100c:0000100c", "jp": "ja-JP"}

many = settings(
    max_examples=count(30, 500),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def first_boot_work(installation: Installation, archive: bytes) -> None:
    """The work of the first boot has each key, script and application as it was given, for root alone."""
    entries = unpacked(archive)
    assert all(not entry.mode & 0o077 for path, entry in entries.items() if path.startswith(_HOME))
    assert entries[f"{_HOME}/port"].content.decode() == f"{installation.report_port}\n"
    plan = [line.split(" ") for line in entries[f"{_HOME}/plan"].content.decode().splitlines()]
    tasks = {(kind, identifier): (interpreter, number) for number, kind, identifier, interpreter in plan}
    for script in installation.scripts:
        interpreter, number = tasks["script", script.id]
        assert interpreter == script.interpreter
        assert entries[f"{_HOME}/tasks/{number}"].content.decode() == script.body
    for application in installation.applications:
        lines = entries[f"{_HOME}/tasks/{tasks['application', application.id][1]}"].content.decode()
        assert lines == "\n".join(("set -e", *application.commands, ""))
    if ("access", "ssh") in tasks:
        body = entries[f"{_HOME}/tasks/{tasks['access', 'ssh'][1]}"].content.decode()
        keys = "".join(f"{key}\n" for key in installation.ssh_keys)
        assert f"\nkeys={shell_word(keys)}\n" in body
    order = [identifier for _, kind, identifier, _ in plan if kind in {"application", "script"}]
    assert order == [
        *(application.id for application in installation.applications),
        *(script.id for script in installation.scripts),
    ]


@many
@given(installations("ubuntu"))
def test_ubuntu(installation: Installation) -> None:
    files = create_unattended_manager("ubuntu").files(installation)

    assert files["user-data"].startswith(b"#cloud-config\n")
    document = yaml.safe_load(files["user-data"])
    answers: dict[str, Any] = document["autoinstall"]
    assert answers["identity"] == {
        "hostname": installation.host_name,
        "username": installation.account.name,
        "realname": installation.account.full_name or installation.account.name,
        "password": installation.account.password_hash,
    }
    assert answers["locale"] == f"{installation.locale}.UTF-8"
    assert answers["timezone"] == installation.time_zone
    assert answers["keyboard"] == {
        "layout": installation.keyboard.layout,
        "variant": installation.keyboard.variant,
    }
    if "ssh" in answers:
        assert answers["ssh"]["authorized-keys"] == list(installation.ssh_keys)
    (written,) = document["write_files"]
    first_boot_work(installation, base64.b64decode(written["content"]))


@pytest.mark.parametrize("system", RED_HAT)
@many
@given(data=st.data())
def test_red_hat(system: str, data: st.DataObject) -> None:
    installation = data.draw(installations(system))

    kickstart = read_kickstart(create_unattended_manager(system).files(installation)["ks.cfg"])

    user = kickstart.options("user")
    assert user["gecos"] == (installation.account.full_name or installation.account.name)
    assert (user["name"], user["password"]) == (installation.account.name, installation.account.password_hash)
    assert ["lang", f"{installation.locale}.UTF-8"] in kickstart.commands
    assert ["timezone", installation.time_zone, "--utc"] in kickstart.commands
    assert kickstart.options("network")["hostname"] == installation.host_name
    first_boot_work(installation, kickstart_archive(kickstart))


@many
@given(installations("debian"))
def test_debian(installation: Installation) -> None:
    files = create_unattended_manager("debian").files(installation)

    values = {question: value for question, (_, _, value) in read_preseed(files["preseed.cfg"]).items()}
    assert values["passwd/user-fullname"] == (installation.account.full_name or installation.account.name)
    assert values["passwd/username"] == installation.account.name
    assert values["passwd/user-password-crypted"] == installation.account.password_hash
    assert values["time/zone"] == installation.time_zone
    assert values["netcfg/hostname"] == installation.host_name
    first_boot_work(installation, files["infinibay-setup.tar.gz"])


@pytest.mark.parametrize("name", ["autounattend.xml", "unattend.xml"])
@pytest.mark.parametrize("system", WINDOWS)
@many
@given(data=st.data())
def test_windows(system: str, name: str, data: st.DataObject) -> None:
    installation = data.draw(installations(system))
    account = installation.account
    from_image = name == "unattend.xml"
    manager = create_image_manager(OPERATING_SYSTEMS[system]) if from_image else create_unattended_manager(system)

    files = manager.files(installation)

    root = etree.fromstring(files[name])

    def text(path: str) -> str | None:
        return root.findtext(f".//u:{path.replace('/', '/u:')}", namespaces=_NAMESPACES)

    assert text("LocalAccount/DisplayName") == (account.full_name or account.name)
    assert text("LocalAccount/Name") == text("AutoLogon/Username") == account.name
    for place in ("LocalAccount", "AutoLogon"):
        secret = base64.b64decode(text(f"{place}/Password/Value") or "").decode("utf-16-le")
        assert secret == f"{account.password}Password"
    assert text("InputLocale") == _KEYBOARDS[installation.keyboard.layout]
    assert text("UserLocale") == installation.locale.replace("_", "-")
    plan = json.loads(files["infinibay/plan.json"])
    assert plan["port"] == installation.report_port
    assert [(task["kind"], task["id"]) for task in plan["tasks"]] == [
        *(("application", application.id) for application in installation.applications),
        *(("script", script.id) for script in installation.scripts),
    ]
    for task, script in zip(plan["tasks"][len(installation.applications) :], installation.scripts, strict=True):
        content = files[f"infinibay/{task['file']}"]
        assert task["file"].endswith(".ps1" if script.interpreter == "powershell" else ".cmd")
        assert content.startswith(b"\xef\xbb\xbf") == (script.interpreter == "powershell")
        assert content.decode("utf-8-sig").replace("\r\n", "\n") == script.body
