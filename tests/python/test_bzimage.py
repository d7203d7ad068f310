"""bzImages in every packing come out as the ELF file inside; damaged ones give one ValueError and nothing else."""

import bz2
import gzip
import lzma
import struct

import lz4.block
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from bulkhead.linux.bzimage import is_bzimage, unpack_bzimage
from bulkhead.linux.slim import slim

HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SEGMENT = struct.Struct("<IIQQQQQQ")
NOTE, TEXT = b"notes of a kernel", b"text" * 1000
SETUP_SECTORS = 4


def elf() -> bytes:
    """A small ELF file: a loadable segment that ends with zeros, a note, a section that nobody loads."""
    start = HEADER.size + 2 * SEGMENT.size
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = HEADER.pack(ident, 2, 62, 1, 0x1000, HEADER.size, start, 0, 64, 56, 2, 64, 1, 0)
    load = SEGMENT.pack(1, 7, start, 0x1000, 0x1000, len(TEXT) + 5000, 8192, 4096)
    note = SEGMENT.pack(4, 4, start + len(TEXT) + 5000, 0, 0, len(NOTE), len(NOTE), 4)
    return header + load + note + TEXT + bytes(5000) + NOTE + b"sections" * 100


def lz4_legacy(data: bytes) -> bytes:
    """Two blocks in the kernel's LZ4 form."""
    blocks = [lz4.block.compress(part, store_size=False) for part in (data[:3000], data[3000:])]
    return b"\x02\x21\x4c\x18" + b"".join(struct.pack("<I", len(block)) + block for block in blocks)


def sized(packed: bytes) -> bytes:
    """With the unpacked size behind it, as the kernel's build appends it."""
    return packed + struct.pack("<I", len(elf()))


PACKINGS = {
    "none": lambda data: data + struct.pack("<I", 0),
    "gzip": gzip.compress,
    "xz": lambda data: sized(lzma.compress(data)),
    "lzma": lambda data: sized(lzma.compress(data, format=lzma.FORMAT_ALONE)),
    "bzip2": lambda data: sized(bz2.compress(data)),
    "zstd": lambda data: sized(zstandard.compress(data)),
    "lz4": lambda data: sized(lz4_legacy(data)),
}
PACKED = tuple(name for name in PACKINGS if name != "none")


def bzimage(payload: bytes, version: int = 0x020F) -> bytes:
    """A bzImage around a payload, with something behind it as signed kernels have."""
    image = bytearray((SETUP_SECTORS + 1) * 512)
    image[0x1F1] = SETUP_SECTORS
    image[0x1FE:0x200] = b"\x55\xaa"
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", image, 0x206, version)
    struct.pack_into("<II", image, 0x248, 0x100, len(payload))
    return bytes(image) + bytes(0x100) + payload + b"signature"


@pytest.mark.parametrize("packing", PACKED)
def test_the_kernel_comes_out_of_every_packing(packing: str) -> None:
    image = bzimage(PACKINGS[packing](elf()))
    assert is_bzimage(image)
    assert unpack_bzimage(image) == elf()


def test_another_file_is_no_bzimage() -> None:
    assert not is_bzimage(elf()) and not is_bzimage(b"")


@pytest.mark.parametrize("length", (0x240, 0x600, 0xB80))
def test_a_file_that_is_cut_short_says_so(length: int) -> None:
    with pytest.raises(ValueError, match="cut short"):
        unpack_bzimage(bzimage(PACKINGS["xz"](elf()))[:length])


def test_an_old_protocol_an_unknown_packing_and_a_wrong_size_are_named() -> None:
    with pytest.raises(ValueError, match="boot protocol 2.07"):
        unpack_bzimage(bzimage(PACKINGS["xz"](elf()), version=0x0207))
    with pytest.raises(ValueError, match="unknown way .*begins with 894c5a4f"):
        unpack_bzimage(bzimage(b"\x89LZO" + bytes(100)))
    with pytest.raises(ValueError, match="cannot be"):
        unpack_bzimage(bzimage(lzma.compress(elf()) + b"\xff\xff\xff\xff"))
    with pytest.raises(ValueError, match="unpacks to"):
        unpack_bzimage(bzimage(lzma.compress(elf()) + struct.pack("<I", len(elf()) - 1)))
    with pytest.raises(ValueError, match="not an ELF file"):
        unpack_bzimage(bzimage(lzma.compress(bytes(100)) + struct.pack("<I", 100)))


@given(st.sampled_from(PACKED), st.integers(0, 1 << 16), st.integers(1, 255))
def test_whatever_byte_is_wrong_there_is_a_kernel_or_one_error(packing: str, place: int, change: int) -> None:
    image = bytearray(bzimage(PACKINGS[packing](elf())))
    image[place % len(image)] ^= change
    try:
        slim(unpack_bzimage(bytes(image)))
    except ValueError as error:
        assert "\n" not in str(error)


def test_slimming_keeps_what_is_loaded_and_nothing_else() -> None:
    small = slim(elf())
    fields = HEADER.unpack_from(small)
    load, note = (SEGMENT.unpack_from(small, fields[5] + i * SEGMENT.size) for i in range(2))
    assert small[load[2] : load[2] + load[5]] == TEXT and load[3:5] == (0x1000, 0x1000) and load[6] == 8192
    assert small[note[2] : note[2] + note[5]] == NOTE
    assert b"sections" not in small and fields[12] == 0
    assert slim(small) == small


def test_a_file_without_notes_in_a_segment_is_left_alone() -> None:
    header = bytearray(elf())
    struct.pack_into("<H", header, 56, 1)
    assert slim(bytes(header)) == bytes(header)
    assert slim(b"no kernel") == b"no kernel"
