"""Reads texts in EXIF, which replaces a PNG's text chunks in JPEG and WebP."""

import warnings
from collections.abc import Iterator, Mapping

from PIL import Image

_TEXTS: Mapping[int, str] = {0x010E: "Description", 0x0131: "Software"}
_WITH_NAME = (0x010F, 0x0110)  # ComfyUI has `prompt:{...}` and `workflow:{...}` in them
_IFD, _COMMENT = 0x8769, 0x9286
_CODES = {b"UNICODE\0": "utf-16", b"ASCII\0\0\0": "utf-8", b"JIS\0\0\0\0\0": "utf-8", b"\0" * 8: "utf-8"}


def exif_texts(data: bytes) -> Iterator[tuple[str, str]]:
    """Name and text of each entry; the user comment is called `parameters`, since A1111 writes these there.

    Unreadable entries are skipped, since cameras write EXIF too.
    """
    exif = Image.Exif()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exif.load(data)
            values = dict(exif)
            comment = exif.get_ifd(_IFD).get(_COMMENT)
    except Exception:  # invalid bytes make Pillow raise many types of errors
        return
    if isinstance(comment, bytes):
        yield "parameters", comment_text(comment)
    elif isinstance(comment, str):
        yield "parameters", comment
    for tag, name in _TEXTS.items():
        if isinstance(values.get(tag), str):
            yield name, values[tag]
    for tag in _WITH_NAME:
        name, colon, text = str(values.get(tag, "")).partition(":")
        if colon and name.lower() in ("prompt", "workflow"):
            yield name.lower(), text.rstrip("\0")


def comment_text(data: bytes) -> str:
    """The text of a `UserComment`, in UTF-16 with unknown byte order.

    Source: EXIF 2.3, section 4.6.5.
    """
    code, text = _CODES.get(data[:8]), data[8:]
    if code is None:
        code, text = "utf-8", data
    if code == "utf-16":
        code = _utf_16_order(text)
    return text.decode(code, errors="replace").strip("\0 ")


def _utf_16_order(data: bytes) -> str:
    """The byte order, derived from where the zeros of ASCII characters are."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    high, low = data[::2].count(0), data[1::2].count(0)
    if not high and not low:
        return "utf-8"  # some programs declare UNICODE and write UTF-8
    return "utf-16-be" if high >= low else "utf-16-le"
