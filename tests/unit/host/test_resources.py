from __future__ import annotations

import os
import uuid
from pathlib import Path

from infinibay.host.resources import boot_id, disk_space, resources


def test_resources_are_this_machines() -> None:
    found = resources()
    assert found.cpus == os.cpu_count()
    assert 0 < found.memory_available <= found.memory_total
    assert 0 <= found.cpu_percent <= 100


def test_space_of_a_folder_that_will_be(tmp_path: Path) -> None:
    here, below = disk_space(tmp_path), disk_space(tmp_path / "not" / "yet")
    assert below.total == here.total > here.free > 0
    assert below.path == tmp_path / "not" / "yet"


def test_the_boot_has_a_name() -> None:
    assert str(uuid.UUID(boot_id())) == boot_id()
