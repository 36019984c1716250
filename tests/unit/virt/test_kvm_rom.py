from __future__ import annotations

import subprocess
from pathlib import Path

import infinibay.virt
from infinibay.virt import kvm_rom


def test_the_bytes_are_those_of_the_source(tmp_path: Path) -> None:
    source = Path(infinibay.virt.__file__).with_name("kvm_rom.s")
    object_file, binary = tmp_path / "rom.o", tmp_path / "rom.bin"
    subprocess.run(["as", "--32", "-o", str(object_file), str(source)], check=True)
    link = "ld -m elf_i386 -Ttext 0xF0000 --oformat binary -o"
    subprocess.run([*link.split(), str(binary), str(object_file)], check=True)
    assert kvm_rom.image() == binary.read_bytes()
    assert len(kvm_rom.image()) == 65536
