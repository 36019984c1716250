"""The bytes of `kvm_rom.s`, beside this file, which says what they do and how they are built; a test compares both."""

from __future__ import annotations

_SIZE = 64 * 1024
_RESET_VECTOR = 0xFFF0

_CODE = bytes.fromhex(
    "fa31c08ed88ec08ed066bf0010000066b9001c00006631c06766f3ab66c70600100320000066c70600200330000066c7"
    "060030830000002e660f011628010f20c06683c8010f22c066ea50000f00080066b810008ed88ec08ed0bc008000000f"
    "20e00d200200000f22e0b8001000000f22d8b9800000c00f320d000100000f300f20c083e0fb0d020000800f22c0ea95"
    "000f00180031c031d2bb0100000031c9f0480fc70c25004000000fae0425005000000fae0c2500500000b8010000000f"
    "a20fbae11a732c0f20e00d000004000f22e031c931d2b8030000000f01d1b8030000000fae2425005000000fae2c2500"
    "500000b9404b4c00ffc975fcb010e6f4f4ebfd8db40000900000000000000000ffff0000009bcf00ffff00000093cf00"
    "ffff0000009baf001f0008010f"
)
_JUMP_TO_CODE = bytes.fromhex("ea000000f0")


def image() -> bytes:
    """The ROM as QEMU's `-bios` takes it: the code at its beginning, a jump there where the processor begins."""
    return (_CODE.ljust(_RESET_VECTOR, b"\0") + _JUMP_TO_CODE).ljust(_SIZE, b"\0")
