"""Reads the texts in a PNG, JPEG or WebP file without decoding pixels. All sizes are bounded.

Sources: PNG, third edition, sections 5 and 11.3; JPEG, ITU-T T.81, annex B; WebP, RFC 9649, section 2.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import IO

from limelight.pipeline.errors import UsageError
from limelight.pipeline.results.foreign.exif import exif_texts

MAX_TEXT_BYTES = 4 * 2**20  # of one text, unpacked
MAX_ALL_BYTES = 3 * MAX_TEXT_BYTES
MAX_CHUNKS = 100_000
_PNG = b"\x89PNG\r\n\x1a\n"
_EXIF = b"Exif\0\0"
_NO_LENGTH = {0x01, *range(0xD0, 0xD9)}  # markers of JPEG that stand alone
_TEXTS = (b"tEXt", b"zTXt", b"iTXt", b"eXIf")


class UnreadableImage(UsageError):
    """A file is not a PNG, JPEG or WebP, or is damaged."""


def embedded_texts(file: IO[bytes]) -> dict[str, str]:
    """Keyword -> text; EXIF texts have the names of `exif_texts`. The first text of a name counts.

    Raises:
        UnreadableImage: it is no such image, ends early, or has too much text.
    """
    head = file.read(12)
    try:
        if head.startswith(_PNG):
            file.seek(len(_PNG))
            pairs = _png(file)
        elif head[:4] == b"RIFF" and head[8:] == b"WEBP":
            pairs = _webp(file)
        elif head[:2] == b"\xff\xd8":
            file.seek(2)
            pairs = _jpeg(file)
        else:
            raise UnreadableImage("is not a PNG, JPEG or WebP image")
        texts: dict[str, str] = {}
        num_bytes = 0
        for name, text in pairs:
            num_bytes += len(text)
            if num_bytes > MAX_ALL_BYTES:
                raise UnreadableImage(f"has more than {MAX_ALL_BYTES:,} characters of text")
            texts.setdefault(name, text)
        return texts
    except struct.error:
        raise UnreadableImage("ends in the middle of a chunk") from None


def _exactly(file: IO[bytes], size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise UnreadableImage("ends in the middle of a chunk")
    return data


def _checked_size(size: int) -> int:
    if size > MAX_TEXT_BYTES:
        raise UnreadableImage(f"has a text of {size:,} bytes; at most {MAX_TEXT_BYTES:,}")
    return size


def _png(file: IO[bytes]) -> Iterator[tuple[str, str]]:
    for number in range(MAX_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            raise UnreadableImage("ends before its last chunk")
        size, kind = struct.unpack(">I4s", head)
        if number == 0 and kind != b"IHDR":
            raise UnreadableImage("has no header")
        if kind == b"IEND":
            return
        if kind not in _TEXTS:
            file.seek(size + 4, 1)
            continue
        data = _exactly(file, _checked_size(size))
        if zlib.crc32(kind + data) != struct.unpack(">I", _exactly(file, 4))[0]:
            raise UnreadableImage(f"has a damaged chunk {kind.decode()}")
        yield from exif_texts(data) if kind == b"eXIf" else [_png_text(kind, data)]
    raise UnreadableImage(f"has more than {MAX_CHUNKS:,} chunks")


def _png_text(kind: bytes, data: bytes) -> tuple[str, str]:
    name, _, rest = data.partition(b"\0")
    if kind == b"zTXt":
        rest = _unpacked(rest[1:])
    elif kind == b"iTXt":
        is_packed = rest[:1] == b"\1"
        # after the language and the translated keyword
        rest = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
        rest = _unpacked(rest) if is_packed else rest
    return name.decode("latin-1"), _decoded(rest)


def _decoded(data: bytes) -> str:
    """The text as UTF-8, which many programs write despite the format's Latin-1; as Latin-1 if it is no
    UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _unpacked(data: bytes) -> bytes:
    machine = zlib.decompressobj()
    try:
        text = machine.decompress(data, MAX_TEXT_BYTES)
    except zlib.error as error:
        raise UnreadableImage(f"has a text that cannot be unpacked: {error}") from None
    if machine.unconsumed_tail:
        raise UnreadableImage(f"has a text that unpacks to more than {MAX_TEXT_BYTES:,} bytes")
    return text


def _jpeg(file: IO[bytes]) -> Iterator[tuple[str, str]]:
    for _ in range(MAX_CHUNKS):
        if _exactly(file, 1) != b"\xff":
            raise UnreadableImage("has no marker where one must be")
        marker = 0xFF
        while marker == 0xFF:  # fill bytes
            marker = _exactly(file, 1)[0]
        if marker in _NO_LENGTH:
            continue
        if marker in (0xD9, 0xDA):  # its end, or the pixels
            return
        size = struct.unpack(">H", _exactly(file, 2))[0] - 2
        if size < 0:
            raise UnreadableImage("has a segment of a negative size")
        data = _exactly(file, size) if marker in (0xE1, 0xFE) else None
        if data is None:
            file.seek(size, 1)
        elif marker == 0xFE:
            yield "comment", _decoded(data)
        elif data.startswith(_EXIF):
            yield from exif_texts(data)
    raise UnreadableImage(f"has more than {MAX_CHUNKS:,} segments")


def _webp(file: IO[bytes]) -> Iterator[tuple[str, str]]:
    for _ in range(MAX_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            return
        kind, size = struct.unpack("<4sI", head)
        if kind == b"EXIF":
            data = _exactly(file, _checked_size(size))
            yield from exif_texts(data if data.startswith(_EXIF) else _EXIF + data)
            file.seek(size % 2, 1)
        else:
            file.seek(size + size % 2, 1)
    raise UnreadableImage(f"has more than {MAX_CHUNKS:,} chunks")
