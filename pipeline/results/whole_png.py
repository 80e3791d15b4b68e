"""Detects damaged PNG files without reading their pixels."""

import zlib
from pathlib import Path

from limelight.files import UnreadableFile, open_regular

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MAX_CHECKED = 4 * 2**20  # bytes of a chunk other than pixels
_MAX_CHUNKS = 100_000


def is_whole_png(path: Path, num_bytes: int) -> bool:
    """Whether a PNG has its original size and a complete sequence of chunks. The checksums of chunks without
    pixels are verified.

    Source: the PNG specification, third edition, section 5.
    """
    try:
        with open_regular(path) as file:
            if file.read(8) != _SIGNATURE:
                return False
            position = 8
            for _ in range(_MAX_CHUNKS):
                head = file.read(8)
                length, kind = int.from_bytes(head[:4], "big"), head[4:]
                position += 12 + length
                if len(head) < 8 or position > num_bytes:
                    return False
                if kind != b"IDAT" and length <= _MAX_CHECKED:
                    content, crc = file.read(length), file.read(4)
                    if zlib.crc32(kind + content) != int.from_bytes(crc, "big"):
                        return False
                else:
                    file.seek(length + 4, 1)
                if kind == b"IEND":
                    return position == num_bytes and not file.read(1)
    except (OSError, UnreadableFile):
        pass
    return False
