"""Small pictures with texts in them, as other programs save them."""

import io
import struct
import zlib

from PIL import Image


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*before: bytes, after: tuple[bytes, ...] = ()) -> bytes:
    """Of 8 x 8 pixels, with chunks before and after them."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 25 * 8))
    return b"\x89PNG\r\n\x1a\n" + b"".join([header, *before, pixels, *after, chunk(b"IEND", b"")])


def text_chunk(name: str, text: str, encoding: str = "utf-8") -> bytes:
    return chunk(b"tEXt", name.encode("latin-1") + b"\0" + text.encode(encoding))


def png_of(**texts: str) -> bytes:
    return png(*(text_chunk(name.replace("_dash_", "-"), text) for name, text in texts.items()))


def saved(kind: str, comment: bytes, **tags: str) -> bytes:
    """A JPEG, WebP or PNG with EXIF: the user comment, and ImageDescription, Make or Model."""
    exif = Image.Exif()
    if comment:
        exif.get_ifd(0x8769)[0x9286] = comment
    for name, text in tags.items():
        exif[{"description": 0x010E, "make": 0x010F, "model": 0x0110}[name]] = text
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, format=kind, exif=exif.tobytes())
    return file.getvalue()
