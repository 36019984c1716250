"""What cloud-init is told of a machine from an image."""

from __future__ import annotations

import io
import subprocess
import tarfile
from base64 import b64decode
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from infinibay.core.operating_systems import OPERATING_SYSTEMS
from infinibay.errors import BadUserInput
from infinibay.unattended.cloud import CloudManager
from infinibay.unattended.installation import Installation
from infinibay.unattended.templates import template
from tests.support.installations import LINUX, installations, plain, ssh_key
from tests.support.scale import count


def _manager(system: str) -> CloudManager:
    return CloudManager(OPERATING_SYSTEMS[system].family)


@settings(max_examples=count(20, 500), deadline=None, derandomize=True)
@given(st.data())
def test_what_is_asked_for_is_told(data: st.DataObject) -> None:
    system = data.draw(st.sampled_from(LINUX))
    installation = data.draw(installations(system))
    files = _manager(system).files(installation)

    config = yaml.safe_load(files["user-data"])

    assert files["user-data"].startswith(b"#cloud-config\n")
    (user,) = config["users"]
    assert user["name"] == installation.account.name
    assert user["hashed_passwd"] == installation.account.password_hash
    assert user["gecos"] == (installation.account.full_name or installation.account.name)
    assert tuple(user.get("ssh_authorized_keys", ())) == installation.ssh_keys
    assert (config["hostname"], config["timezone"]) == (installation.host_name, installation.time_zone)
    assert config["locale"] == f"{installation.locale}.UTF-8"
    (archive,) = config["write_files"]
    assert archive["permissions"] == "0600"
    with tarfile.open(fileobj=io.BytesIO(b64decode(archive["content"]))) as packed:
        assert "var/lib/infinibay/setup/run" in packed.getnames()


@pytest.mark.parametrize("system", LINUX)
def test_each_machine_is_new_to_cloud_init(system: str) -> None:
    one = plain(system)
    other = replace(one, account=replace(one.account, password_hash="$6$other$" + "x" * 86))
    assert _instance(system, one) == _instance(system, one)
    assert _instance(system, one) != _instance(system, other)


@pytest.mark.parametrize(("system", "group"), [("ubuntu", "sudo"), ("debian", "sudo"), ("rocky", "wheel")])
def test_the_account_may_administer(system: str, group: str) -> None:
    config = yaml.safe_load(_manager(system).files(plain(system))["user-data"])
    assert config["users"][0]["groups"] == [group]


def test_what_no_system_takes_is_refused() -> None:
    wrong = replace(plain("ubuntu"), ssh_keys=(ssh_key("a\nb"),), packages=("--purge",))
    with pytest.raises(BadUserInput) as refused:
        _manager("ubuntu").files(wrong)
    assert {problem.field for problem in refused.value.problems} == {"sshKeys", "packages"}


@pytest.mark.parametrize("system", LINUX)
def test_its_network_takes_any_address_before_cloud_init_is_disabled(system: str) -> None:
    config = yaml.safe_load(_manager(system).files(plain(system))["user-data"])
    with tarfile.open(fileobj=io.BytesIO(b64decode(config["write_files"][0]["content"]))) as packed:
        member = packed.extractfile("var/lib/infinibay/setup/any_address")
        assert member is not None
        assert member.read().decode() == template("any_address.sh")
    unpack, _, free, disable, *_ = config["runcmd"]
    assert unpack.startswith("tar -xzf ")
    assert free == "sh /var/lib/infinibay/setup/any_address"
    assert disable == "touch /etc/cloud/cloud-init.disabled"


@pytest.mark.parametrize("plan", [None, "network:\n  version: 2\n  ethernets:\n    enp1s0: {dhcp4: true}\n"])
def test_a_network_that_takes_any_address_stays_as_it_is(tmp_path: Path, plan: str | None) -> None:
    """One that the image brings, as much as none of the kinds that are known."""
    file = tmp_path / "etc/netplan/50-cloud-init.yaml"
    if plan is not None:
        file.parent.mkdir(parents=True)
        file.write_text(plan)
    before = sorted(tmp_path.rglob("*"))

    ran = subprocess.run(["sh", "-ec", template("any_address.sh"), "sh", tmp_path], capture_output=True, check=True)

    assert ran.stdout + ran.stderr == b""
    assert sorted(tmp_path.rglob("*")) == before
    assert plan is None or file.read_text() == plan


def _instance(system: str, installation: Installation) -> str:
    return str(yaml.safe_load(_manager(system).files(installation)["meta-data"])["instance-id"])
