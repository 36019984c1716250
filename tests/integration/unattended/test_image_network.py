"""What cloud-init itself writes for a network without any orders, and what a clone of its machine makes of that."""

from __future__ import annotations

import re
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

from infinibay.unattended.templates import template

_MAC = "52:54:00:12:34:56"
# As its fallback does it. Debian's cloud-init belongs to the system's Python.
_RENDER = """
import sys
from cloudinit.distros.rhel import Distro
from cloudinit.net import network_state, renderers
name, mac, target = sys.argv[1:]
interface = {"match": {"macaddress": mac}, "dhcp4": True, "set-name": "eth0"}
renderer = renderers.NAME_TO_RENDERER[name].Renderer(Distro.renderer_configs.get(name, {}))
config = {"version": 2, "ethernets": {"eth0": interface}}
state = network_state.parse_net_config_data(config, renderer=renderer)
renderer.render_network_state(state, target=target)
"""


def made_by_cloud_init(renderer: str, root: Path, path: str) -> Path:
    """The file for the network, tied to the address of the machine."""
    subprocess.run(["/usr/bin/python3", "-c", _RENDER, renderer, _MAC, root], check=True)
    file = root / path
    assert _MAC in file.read_text()
    return file


def free(root: Path) -> None:
    ran = subprocess.run(["sh", "-ec", template("any_address.sh"), "sh", root], capture_output=True, check=True)
    assert ran.stdout + ran.stderr == b""


def test_netplan_s_takes_every_wired_interface(tmp_path: Path) -> None:
    file = made_by_cloud_init("netplan", tmp_path, "etc/netplan/50-cloud-init.yaml")
    free(tmp_path)
    assert yaml.safe_load(file.read_text()) == {
        "network": {"version": 2, "ethernets": {"any": {"match": {"name": "e*"}, "dhcp4": True}}}
    }
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize(
    ("renderer", "path", "mode"),
    [
        ("network-manager", "etc/NetworkManager/system-connections/cloud-init-eth0.nmconnection", 0o600),
        ("sysconfig", "etc/sysconfig/network-scripts/ifcfg-eth0", 0o644),
    ],
)
def test_of_red_hat_s_only_the_address_goes(tmp_path: Path, renderer: str, path: str, mode: int) -> None:
    file = made_by_cloud_init(renderer, tmp_path, path)
    before = file.read_text()
    free(tmp_path)
    assert file.read_text() == re.sub(rf".*={_MAC}\n", "", before)
    assert stat.S_IMODE(file.stat().st_mode) == mode
