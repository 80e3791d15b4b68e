"""Opens and reads untrusted files, which can neither hang the program nor fill its memory."""

import io
import json
import os
import re
import stat
from typing import Any

from limelight.errors import UsageError

MAX_JSON_BYTES = 2**20  # a configuration has some thousand bytes
MAX_JSON_DEPTH = 32
MAX_JSON_VALUES = 500_000  # CLIP's tokenizer.json has 200,000

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


_ADDRESS = re.compile(r"(https?|ftp|s3|file):/")  # as a path, an address has lost its second slash
DOWNLOAD = "is an address, not a file; download it, and give the path of the file"


class UnreadableFile(UsageError):
    """A file exists, but is not of the kind that is needed, or cannot be read."""


def open_regular(path: str | os.PathLike[str], *, buffering: int = -1) -> io.BufferedReader | io.FileIO:
    """A regular file, open for reading; a FIFO or a device would make the program wait for ever.

    Args:
        buffering: as in `open`.

    Raises:
        FileNotFoundError: there is nothing of that name.
        UnreadableFile: it is no regular file, may not be read, or is the address of something elsewhere.
    """
    try:
        _require_regular(path, os.stat(path).st_mode)  # before opening, since that may block or have effects
        file = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        try:
            _require_regular(path, os.fstat(file).st_mode)
        except BaseException:
            os.close(file)
            raise
        opened: io.BufferedReader | io.FileIO = open(file, "rb", buffering=buffering)  # type: ignore[assignment]
        return opened
    except FileNotFoundError:
        if is_address(path):
            raise UnreadableFile(f"{_name(path)} {DOWNLOAD}") from None
        raise
    except OSError as error:
        raise UnreadableFile(f"{_name(path)} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        if isinstance(error, UnreadableFile):
            raise
        raise UnreadableFile(f"{_name(path)!r} is no path: {error}") from None  # it has a NUL


def require_regular_files(folder: str | os.PathLike[str]) -> None:
    """Raises UnreadableFile if a folder has a FIFO, a socket or a device, for which a library that reads the
    folder would wait."""
    for entry in sorted(os.listdir(folder)):
        path = os.path.join(folder, entry)
        if not os.path.isdir(path):
            open_regular(path).close()


def is_address(path: str | os.PathLike[str]) -> bool:
    """Whether a path is the address of something elsewhere, such as https://host/file."""
    return _ADDRESS.match(_name(path)) is not None


def read_bytes(path: str | os.PathLike[str], *, max_bytes: int) -> bytes:
    """The whole content of a file.

    Raises:
        FileNotFoundError: there is nothing of that name.
        UnreadableFile: it is no regular file, or larger than `max_bytes`.
    """
    with open_regular(path) as file:
        try:
            content = file.read(max_bytes + 1)
        except OSError as error:
            raise UnreadableFile(f"{_name(path)} cannot be read: {error.strerror or error}") from None
    if len(content) > max_bytes:
        raise UnreadableFile(f"{_name(path)} has more than {max_bytes:,} bytes, the most that is read")
    return content


def read_json(path: str | os.PathLike[str], *, max_bytes: int = MAX_JSON_BYTES) -> Any:
    """The value in a JSON file.

    Raises:
        FileNotFoundError: there is nothing of that name.
        UnreadableFile: it is no regular file, too large, too deep, or no JSON.
    """
    return parse_json(read_bytes(path, max_bytes=max_bytes), name=_name(path))


def parse_json(content: bytes, *, name: str) -> Any:
    """The value of a JSON text.

    Args:
        name: of the text, for messages.

    Raises:
        UnreadableFile: it is too deep, has too many values, or is no JSON.
    """
    num_values = content.count(b",") + content.count(b"[") + content.count(b"{")
    if num_values > MAX_JSON_VALUES:
        raise UnreadableFile(f"{name} holds {num_values:,} values; at most {MAX_JSON_VALUES:,} are read")
    try:
        value = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UnreadableFile(f"{name} is not valid JSON: {error}") from None
    if _depth(value) > MAX_JSON_DEPTH:
        raise UnreadableFile(f"{name} is nested more than {MAX_JSON_DEPTH} levels deep, which is the most")
    return value


def _require_regular(path: str | os.PathLike[str], mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = next((name for is_it, name in _KINDS if is_it(mode)), "no regular file")
        raise UnreadableFile(f"{_name(path)} is {kind}; needs a regular file")


def _depth(value: Any) -> int:
    """How many lists and objects lie in each other, at most."""
    depth, level = 0, [value]
    while level and depth <= MAX_JSON_DEPTH:
        inner = [one for one in level if isinstance(one, dict | list)]
        if not inner:
            break
        depth += 1
        level = [each for one in inner for each in (one.values() if isinstance(one, dict) else one)]
    return depth


def _name(path: str | os.PathLike[str]) -> str:
    name = os.fspath(path)
    return name if len(name) < 300 else f"{name[:200]}..."
