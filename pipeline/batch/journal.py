"""The journal of an output folder: append-only files of JSON lines, one for each worker.

    {"begin": run, ...}    a worker of a run begins; claims and failures before it no longer count
    {"claim": [key, ...]}  it will draw these
    {"done": key, "file": ..., "bytes": ..., ...}    the picture is complete and on disk; "maps" too
    {"failed": key, "error": ...}    there is no picture; the next run tries again
    {"summary": run}       index and gallery of the run are written
    {"dead": worker, "run": run}    its claims in that run no longer count

A process may die, or the disk become full, in the middle of a line. Such a line is not valid JSON and is
ignored; the next entry begins on a new line.
"""

import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from limelight.files import UnreadableFile, open_regular
from limelight.pipeline.batch.errors import OutputLost
from limelight.pipeline.errors import OutputError
from limelight.pipeline.results.whole_png import is_whole_png


class Journal:
    """The file of one worker; any thread may append to it."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            if not stat.S_ISREG(os.fstat(self._file).st_mode):
                raise OutputLost(f"cannot write {path}: it is no regular file; move it out of the folder")
            size = os.fstat(self._file).st_size
            torn = size > 0 and os.pread(self._file, 1, size - 1) != b"\n"
        except OSError as error:
            raise OutputLost(f"cannot write {path}: {error.strerror}") from None
        self.path = path
        self._lock = Lock()
        if torn:
            self._write(b"\n")

    def append(self, line: Mapping[str, Any], *, flush: bool = False) -> None:
        """Appends a line, which survives the death of this process; with `flush`, also a crash of the
        machine.

        Raises:
            OutputLost: the disk is full, or the folder is gone.
        """
        self._write(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        if flush:
            self.flush()

    def flush(self) -> None:
        try:
            os.fsync(self._file)
        except OSError as error:
            raise OutputLost(f"cannot write {self.path}: {error.strerror}") from None

    def _write(self, data: bytes) -> None:
        try:
            with self._lock:
                if os.fstat(self._file).st_nlink == 0:
                    raise OutputLost(f"{self.path} is gone; its folder was removed")
                while data:
                    data = data[os.write(self._file, data) :]
        except OSError as error:
            raise OutputLost(f"cannot write {self.path}: {error.strerror}") from None

    def close(self) -> None:
        os.close(self._file)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(slots=True)
class Ledger:
    """The combined content of all journals of a folder, which follows their growth.

    Attributes:
        run: the run whose claims and failures count.
        done: key -> line, for all runs.
        files: key -> the file of its picture, even if that is missing.
        failed: key -> reason.
        claims: worker -> keys, settled ones included; without workers that are known to be dead.
        num_torn: number of invalid lines.
    """

    folder: Path
    run: str
    done: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    claims: dict[str, set[str]] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)
    is_summed_up: bool = False
    num_torn: int = 0
    _offsets: dict[str, int] = field(default_factory=dict)
    _runs: dict[str, str] = field(default_factory=dict)  # worker -> run

    def read(self) -> None:
        """Reads what was added since the last call. An incomplete last line is left for the next call."""
        for path in sorted(self.folder.glob("*.jsonl")):
            for line in self._new_lines(path):
                self._take(path.stem, line)

    def is_settled(self, key: str) -> bool:
        return key in self.done or key in self.failed

    def is_taken(self, key: str) -> bool:
        """Whether a row is settled, or claimed by a worker."""
        return self.is_settled(key) or any(key in keys for keys in self.claims.values())

    def _new_lines(self, path: Path) -> Iterator[dict[str, Any]]:
        offset = self._offsets.get(path.name, 0)
        try:
            with open_regular(path) as file:
                file.seek(offset)
                data = file.read()
        except FileNotFoundError:
            return
        except UnreadableFile as error:
            raise OutputError(f"{error}; move it out of the folder") from None
        whole, end, _ = data.rpartition(b"\n")
        self._offsets[path.name] = offset + len(whole) + len(end)
        for line in whole.split(b"\n") if end else ():
            try:
                values = json.loads(line)
            except (ValueError, RecursionError):
                values = None
            if isinstance(values, dict) and _is_sound(values):
                yield values
            elif line:
                self.num_torn += 1

    def _take(self, worker: str, line: Mapping[str, Any]) -> None:
        if "begin" in line:
            self._runs[worker] = line["begin"]
            self.claims.pop(worker, None)
        elif "done" in line:
            self.done[line["done"]] = dict(line)
            self.files[line["done"]] = line["file"]
            self.failed.pop(line["done"], None)
        elif "summary" in line:
            self.is_summed_up |= line["summary"] == self.run
        elif line.get("run", self._runs.get(worker)) != self.run:
            return
        elif "claim" in line and worker not in self.dead:
            self.claims.setdefault(worker, set()).update(line["claim"])
        elif "failed" in line:
            self.failed[line["failed"]] = line.get("error", "")
        elif "dead" in line:
            self.dead.add(line["dead"])
            self.claims.pop(line["dead"], None)

    def forget(self, keys: Iterable[str], *, without: str) -> int:
        """Drops those of the pictures whose lines lack the value `without`, and returns how many."""
        dropped = [key for key in keys if key in self.done and not self.done[key].get(without)]
        for key in dropped:
            del self.done[key]
        return len(dropped)

    def forget_missing(self, output: Path) -> int:
        """Drops pictures whose files are missing or have changed, and returns how many."""
        missing = [key for key, line in self.done.items() if not _is_there(output, line)]
        for key in missing:
            del self.done[key]
        return len(missing)


def _is_there(output: Path, line: Mapping[str, Any]) -> bool:
    try:
        if os.stat(output / line["file"]).st_size != line["bytes"]:
            return False
    except OSError:
        return False
    return not line["file"].endswith(".png") or is_whole_png(output / line["file"], line["bytes"])


def _is_sound(line: Mapping[str, Any]) -> bool:
    """Whether every value has the type that this program writes, since files can be damaged."""
    return all(check(line[name]) for name, check in _TYPES.items() if name in line) and (
        "done" not in line or ("file" in line and "bytes" in line)
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_inside(value: Any) -> bool:
    """Whether `value` is the name of a file inside the folder."""
    path = Path(value) if isinstance(value, str) and "\0" not in value else None
    return path is not None and not path.is_absolute() and ".." not in path.parts and path.name != ""


_TYPES: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("begin", "done", "failed", "summary", "dead", "run", "error"), _is_text),
    "claim": lambda value: isinstance(value, list) and all(map(_is_text, value)),
    "file": _is_inside,
    "bytes": lambda value: type(value) is int,
    "is_constant": lambda value: isinstance(value, bool),
    "check": lambda value: isinstance(value, int | float),
    "described": lambda value: isinstance(value, int | float),
    "weakest": lambda value: isinstance(value, str),
    "seconds": lambda value: isinstance(value, int | float),
}
