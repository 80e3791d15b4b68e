"""Reads the lines of a text file, with checks of encoding and length."""

import codecs
from collections.abc import Iterator
from pathlib import Path

from limelight.files import open_regular
from limelight.pipeline.batch.errors import Fault

MAX_LINE = 2**20  # bytes; the longest prompt takes at most 80,000
_UTF16 = "the file is UTF-16; save it as UTF-8"
_NO_TEXT = {  # how files begin that are no text
    codecs.BOM_UTF16_LE: _UTF16,
    codecs.BOM_UTF16_BE: _UTF16,
    b"PK\x03\x04": "the file is a ZIP archive, as .xlsx and .ods are; save the table as CSV in UTF-8",
    b"\xd0\xcf\x11\xe0": "the file is an Excel workbook (.xls); save the table as CSV in UTF-8",
}


def read_lines(path: Path, faults: list[Fault]) -> Iterator[tuple[int, str]]:
    """Yields the number, from 1, and the text of each line that is valid UTF-8, without its line break.

    A byte order mark is dropped; lines end in LF or CRLF. At most `MAX_LINE` is in memory at a time. A file
    that is no such text as a whole has one fault and no line.

    Args:
        faults: faults are appended to it.
    """
    with open_regular(path) as file:
        number, offset = 0, 0
        while raw := file.readline(MAX_LINE + 1):
            number += 1
            if number == 1 and (reason := _other_kind(raw)):
                faults.append(Fault(1, reason))
                return
            length = len(raw)
            if not raw.endswith(b"\n") and length > MAX_LINE:
                while rest := file.readline(MAX_LINE):
                    length += len(rest)
                    if rest.endswith(b"\n"):
                        break
                faults.append(Fault(number, f"has {length:,} bytes; at most {MAX_LINE:,}"))
            else:
                text = _decoded(raw, number, offset, faults)
                if text is not None:
                    yield number, text
            offset += length


def _other_kind(raw: bytes) -> str | None:
    """What a file is by its first line, if it is no text whose lines end in LF."""
    for begin, reason in _NO_TEXT.items():
        if raw.startswith(begin):
            return reason
    if len(raw) > 3 and (raw[0:4:2] == b"\0\0" or raw[1:4:2] == b"\0\0"):
        return _UTF16
    if b"\r" in raw.removesuffix(b"\n").removesuffix(b"\r"):
        return "the lines end in CR alone, as of old Macs; save the file with line ends of Unix or Windows"
    return None


def _decoded(raw: bytes, number: int, offset: int, faults: list[Fault]) -> str | None:
    if (nul := raw.find(b"\0")) >= 0:
        faults.append(Fault(number, f"byte {offset + nul} of the file is NUL; remove it"))
        return None
    try:
        text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        # utf-8-sig counts from the end of the byte order mark
        start = offset + error.start + (3 if number == 1 and raw.startswith(codecs.BOM_UTF8) else 0)
        value = raw[start - offset]
        faults.append(
            Fault(number, f"byte {start} of the file is 0x{value:02x}, not UTF-8; save the file as UTF-8")
        )
        return None
    return text.removesuffix("\n").removesuffix("\r")
