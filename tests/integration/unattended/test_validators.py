"""Thirty varied requests per family before the formats' own tools, and what these tools read back of any value."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from infinibay.core.operating_systems import OPERATING_SYSTEMS
from infinibay.unattended.cloud import CloudManager
from infinibay.unattended.debian import preseed_line
from infinibay.unattended.factory import create_unattended_manager
from infinibay.unattended.installation import Installation
from infinibay.unattended.quoting import kickstart_word
from tests.support.installations import LINE, LINUX, RED_HAT, VERSIONS, plain, varied
from tests.support.scale import count

_BIN = Path(sys.executable).parent
# Debian's cloud-init belongs to the system's Python.
_READ_YAML = """
import json, sys
from cloudinit import util
json.dump([util.load_yaml(open(path).read()) for path in sys.argv[1:]], sys.stdout)
"""
_CLOUD_INIT_SCHEMA = """
import sys
from cloudinit.cmd.main import main
for path in sys.argv[1:]:
    main(["cloud-init", "schema", "--config-file", path])
"""
_DEBCONF = """
Config: configdb
Templates: templatedb

Name: configdb
Driver: File
Filename: {folder}/config.dat

Name: templatedb
Driver: File
Filename: {folder}/templates.dat
"""
few = settings(max_examples=count(2, 20), deadline=None, derandomize=True)
batches = st.lists(LINE, min_size=15, max_size=30)


def run(*command: str | Path, environment: Mapping[str, str] | None = None) -> str:
    """What a program printed, both ways; it must end well."""
    ran = subprocess.run(
        [str(word) for word in command],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    return ran.stdout


def written(folder: Path, system: str, installation: Installation) -> Path:
    """The folder with the files of an installation."""
    for name, content in create_unattended_manager(system).files(installation).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def schema_of_cloud_init(*files: Path) -> list[str]:
    """What `cloud-init schema --config-file` says of each file, in one process, since its start takes the most."""
    return run("/usr/bin/python3", "-c", _CLOUD_INIT_SCHEMA, *files).splitlines()


def test_cloud_init_takes_ubuntu_s_answers(tmp_path: Path) -> None:
    files = [
        written(tmp_path / str(position), "ubuntu", asked) / "user-data"
        for position, asked in enumerate(varied("ubuntu", 30))
    ]
    assert schema_of_cloud_init(*files) == [f"Valid cloud-config: {file}" for file in files]


def test_cloud_init_takes_the_answers_for_an_image(tmp_path: Path) -> None:
    files = []
    for system in LINUX:
        for position, asked in enumerate(varied(system, 5)):
            file = tmp_path / f"{system}-{position}"
            file.write_bytes(CloudManager(OPERATING_SYSTEMS[system].family).files(asked)["user-data"])
            files.append(file)
    assert schema_of_cloud_init(*files) == [f"Valid cloud-config: {file}" for file in files]


def test_cloud_init_s_schema_finds_what_is_wrong(tmp_path: Path) -> None:
    file = written(tmp_path, "ubuntu", plain("ubuntu")) / "user-data"
    for old, new in (("#cloud-config", "#"), ("encoding: b64", "encoding: b65")):
        broken = tmp_path / "broken"
        broken.write_text(file.read_text().replace(old, new))
        with pytest.raises(AssertionError):
            schema_of_cloud_init(broken)


@few
@given(batches)
def test_cloud_init_reads_back_what_went_in(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    folder = tmp_path_factory.mktemp("ubuntu")
    names = [safe for name in names if (safe := re.sub(r"[:,=\\]", "", name).strip())]
    files = []
    for position, name in enumerate(names):
        asked = plain("ubuntu")
        asked = replace(asked, account=replace(asked.account, full_name=name))
        files.append(written(folder / str(position), "ubuntu", asked) / "user-data")
    documents = json.loads(run("/usr/bin/python3", "-c", _READ_YAML, *files))
    assert [document["autoinstall"]["identity"]["realname"] for document in documents] == names


def pykickstart_version(system: str, version: str) -> str:
    return f"F{version}" if system == "fedora" else f"RHEL{version.split('.', maxsplit=1)[0]}"


@pytest.mark.parametrize("position", range(30))
def test_pykickstart_takes_red_hat_s_answers(tmp_path: Path, position: int) -> None:
    """The four systems take turns, and in them their versions."""
    system = RED_HAT[position % 4] if position % 4 else "fedora"
    requests = varied(system, 30)
    installation = requests[position // 4]
    file = written(tmp_path, system, installation) / "ks.cfg"
    version = pykickstart_version(system, installation.medium.version)
    assert run(_BIN / "ksvalidator", "-v", version, file).strip() == f"Checking kickstart file {file}"


def test_all_versions_of_red_hat_s_family_are_asked() -> None:
    asked = {
        (RED_HAT[position % 4], varied(RED_HAT[position % 4], 30)[position // 4].medium.version)
        for position in range(30)
    }
    assert asked == {(system, version) for system in RED_HAT for version in VERSIONS[system]}


def test_ksvalidator_finds_what_is_wrong(tmp_path: Path) -> None:
    file = written(tmp_path, "fedora", plain("fedora")) / "ks.cfg"
    file.write_text(file.read_text().replace("--nohome", "--nohomes"))
    with pytest.raises(AssertionError, match="nohomes"):
        run(_BIN / "ksvalidator", "-v", "F42", file)


@few
@given(batches)
def test_pykickstart_reads_back_what_went_in(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    """It prints what it read without quoting it again, so the value stands there as it is."""
    folder = tmp_path_factory.mktemp("kickstart")
    lines = [f"user --name=u{position} --gecos={kickstart_word(name)}" for position, name in enumerate(names)]
    (folder / "ks.cfg").write_text("\n".join(lines) + "\n%packages\n%end\n")
    run(_BIN / "ksflatten", "-v", "F42", "-c", folder / "ks.cfg", "-o", folder / "out.cfg")
    printed = [line for line in (folder / "out.cfg").read_text().split("\n") if line.startswith("user ")]
    assert printed == [f'user --name=u{position} --gecos="{name}"' for position, name in enumerate(names)]


@pytest.mark.parametrize("position", range(30))
def test_debconf_takes_debian_s_answers(tmp_path: Path, position: int) -> None:
    file = written(tmp_path, "debian", varied("debian", 30)[position]) / "preseed.cfg"
    assert run("debconf-set-selections", "-c", file) == ""


def test_debconf_finds_what_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "preseed.cfg"
    file.write_text("d-i passwd/username\n")
    with pytest.raises(AssertionError):
        run("debconf-set-selections", "-c", file)


@few
@given(batches)
def test_debconf_reads_back_what_went_in(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    folder = tmp_path_factory.mktemp("debconf")
    names = [name.rstrip("\\").strip() or "x" for name in names]
    lines = [preseed_line(f"test/q{position}", "string", name) for position, name in enumerate(names)]
    (folder / "preseed.cfg").write_text("".join(lines))
    (folder / "debconf.conf").write_text(_DEBCONF.format(folder=folder).lstrip())
    run(
        "debconf-set-selections", folder / "preseed.cfg", environment={"DEBCONF_SYSTEMRC": str(folder / "debconf.conf")}
    )
    stored = dict(
        re.findall(r"^Name: test/q(\d+)\n(?:(?!\n\n).)*?^Value: (.*?)$", _stored(folder), re.MULTILINE | re.DOTALL)
    )
    assert stored == {str(position): name for position, name in enumerate(names)}


def _stored(folder: Path) -> str:
    return (folder / "config.dat").read_text()


def test_meta_data_is_yaml_with_an_id_of_the_installation_s_own() -> None:
    first, second = (
        yaml.safe_load(create_unattended_manager("ubuntu").files(installation)["meta-data"])
        for installation in (plain("ubuntu"), replace(plain("ubuntu"), host_name="vm2"))
    )
    assert set(first) == {"instance-id"}
    assert first != second
