"""Takes the kernel out of a bzImage, the form in which Linux is packaged. Believes no length or offset of the file.

Source: "The Linux/x86 Boot Protocol", version 2.08 on, which gives the place and the length of the packed kernel.
"""

from __future__ import annotations

import struct

from bulkhead.linux.compression import decompress

SECTOR = 512
BOOT_FLAG, HEADER_MAGIC, VERSION = 0x1FE, 0x202, 0x206
SETUP_SECTS, PAYLOAD_OFFSET, PAYLOAD_LENGTH = 0x1F1, 0x248, 0x24C
HEADER_END = PAYLOAD_LENGTH + 4
LEAST_VERSION = 0x0208
LARGEST_KERNEL = 512 << 20  # bytes, unpacked


def is_bzimage(data: bytes) -> bool:
    """Whether it has the boot protocol's two marks."""
    return data[BOOT_FLAG : BOOT_FLAG + 2] == b"\x55\xaa" and data[HEADER_MAGIC : HEADER_MAGIC + 4] == b"HdrS"


def _payload(data: bytes) -> bytes:
    if len(data) < HEADER_END:
        raise ValueError("the bzImage is cut short: its header is not complete")
    version = struct.unpack_from("<H", data, VERSION)[0]
    if version < LEAST_VERSION:
        raise ValueError(
            f"the bzImage has boot protocol {version >> 8}.{version & 0xff:02}, too old to say where its kernel is "
            "(2.08 is needed, Linux 2.6.26)"
        )
    offset, length = struct.unpack_from("<II", data, PAYLOAD_OFFSET)
    start = ((data[SETUP_SECTS] or 4) + 1) * SECTOR + offset
    if length < 8 or start + length > len(data):
        raise ValueError(
            f"the bzImage is cut short: its packed kernel should end at byte {start + length} of {len(data)}"
        )
    return data[start : start + length]


def unpack_bzimage(data: bytes) -> bytes:
    """The ELF file inside of a bzImage. ValueError says in one line what is wrong with it."""
    payload = _payload(data)
    size = struct.unpack_from("<I", payload, len(payload) - 4)[0]  # also gzip ends with it
    if size > LARGEST_KERNEL:
        raise ValueError(f"the bzImage says its kernel unpacks to {size >> 20} MiB, which cannot be")
    try:
        kernel = decompress(payload, min(size, LARGEST_KERNEL) + 1)
    except ValueError as error:
        raise ValueError(f"the bzImage cannot be unpacked: {error}") from None
    if not kernel.startswith(b"\x7fELF"):
        raise ValueError("the file inside the bzImage is not an ELF file")
    if len(kernel) != size:
        raise ValueError(f"the bzImage's kernel unpacks to {len(kernel)} bytes, not to the {size} it says")
    return kernel
