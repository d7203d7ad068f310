"""Undoes the compressions a Linux kernel may be packed with. Input is untrusted: output is bounded, damage is one ValueError."""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from collections.abc import Callable

import lz4.block
import zstandard

LZ4_BLOCK = 8 << 20  # the most that a block of the kernel's old LZ4 format unpacks to
LZMA_MEMORY = 1 << 30


def _gzip(data: bytes, limit: int) -> bytes:
    stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
    return _whole(stream.decompress(data, limit), stream.eof)


def _bzip2(data: bytes, limit: int) -> bytes:
    stream = bz2.BZ2Decompressor()
    return _whole(stream.decompress(data, limit), stream.eof)


def _lzma(data: bytes, limit: int) -> bytes:
    """XZ, or the older LZMA format."""
    stream = lzma.LZMADecompressor(memlimit=LZMA_MEMORY)
    return _whole(stream.decompress(data, limit), stream.eof or data[:1] == b"\x5d")


def _zstd(data: bytes, limit: int) -> bytes:
    with zstandard.ZstdDecompressor().stream_reader(data) as stream:
        return bytes(stream.read(limit))


def _lz4(data: bytes, limit: int) -> bytes:
    """Blocks, each behind its length, until the lengths end or name more than there is (the size that the kernel appends)."""
    unpacked, at = bytearray(), 4
    while at + 4 < len(data) and len(unpacked) < limit:
        length = struct.unpack_from("<I", data, at)[0]
        if length > len(data) - at - 4:
            raise ValueError("a block is cut short")
        unpacked += lz4.block.decompress(data[at + 4 : at + 4 + length], uncompressed_size=LZ4_BLOCK)
        at += 4 + length
    return bytes(unpacked[:limit])


def _whole(unpacked: bytes, ended: bool) -> bytes:
    if not ended:
        raise ValueError("it ends too early, or unpacks to more than it says")
    return unpacked


FORMATS: tuple[tuple[bytes, str, Callable[[bytes, int], bytes]], ...] = (
    (b"\x1f\x8b", "gzip", _gzip),
    (b"\xfd7zXZ\0", "xz", _lzma),
    (b"BZh", "bzip2", _bzip2),
    (b"\x5d\0\0", "lzma", _lzma),
    (b"\x28\xb5\x2f\xfd", "zstd", _zstd),
    (b"\x02\x21\x4c\x18", "lz4", _lz4),
)


def decompress(data: bytes, limit: int) -> bytes:
    """The unpacked bytes, at most `limit`. Bytes behind the stream are ignored.

    ValueError names the format and what is wrong with it.
    """
    for magic, name, unpack in FORMATS:
        if data.startswith(magic):
            try:
                return unpack(data, limit)
            except (ValueError, OSError, EOFError, zlib.error, lzma.LZMAError) as error:
                raise ValueError(f"its {name} data is damaged: {error}") from None
            except (zstandard.ZstdError, lz4.block.LZ4BlockError) as error:
                raise ValueError(f"its {name} data is damaged: {error}") from None
    raise ValueError(f"it is packed in an unknown way (its data begins with {data[:4].hex()})")
