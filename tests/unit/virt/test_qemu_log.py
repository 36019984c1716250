from __future__ import annotations

from pathlib import Path

from infinibay.virt.qemu_log import complaints, kvm_failure, tail

_LOG = [
    "2026-01-01 10:00:00.000+0000: starting up libvirt version: 9.0.0",
    "LC_ALL=C \\",
    "-msg timestamp=on",
    "KVM internal error. Suberror: 1",
    "2026-01-01 10:00:00.000+0000: shutting down, reason=destroyed",
    "2026-01-01 11:00:00.000+0000: starting up libvirt version: 9.0.0",
    "LC_ALL=C \\",
    "/usr/bin/qemu-system-x86_64 \\",
    "-msg timestamp=on",
    "could not open disk",
    "2026-01-01 11:00:01.000+0000: shutting down, reason=failed",
]


def test_only_what_was_said_since_the_last_start_counts() -> None:
    assert complaints(_LOG) == ["could not open disk", "2026-01-01 11:00:01.000+0000: shutting down, reason=failed"]
    assert kvm_failure(_LOG) is None
    assert kvm_failure(_LOG[:5]) == "KVM internal error. Suberror: 1"
    assert kvm_failure(["KVM internal error. Suberror: 1", "extra data[0]: 0x1", "emulation failure"]) == (
        "KVM internal error. Suberror: 1; emulation failure"
    )


def test_tail_is_empty_where_nothing_can_be_read(tmp_path: Path) -> None:
    assert tail(tmp_path / "absent.log", 5) == []
    assert tail(tmp_path, 5) == []


def test_tail_gives_the_last_lines_of_a_long_file(tmp_path: Path) -> None:
    file = tmp_path / "long.log"
    file.write_text("\n".join(f"line {number}" for number in range(100_000)))
    assert tail(file, 2) == ["line 99998", "line 99999"]
