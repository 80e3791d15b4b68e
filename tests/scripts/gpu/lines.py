"""Which lines of some files are run, by a trace function; threads that begin meanwhile are watched too."""

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any


class Watch:
    """The lines that are run of each file."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.seen: dict[str, set[int]] = {str(path): set() for path in files}

    @contextmanager
    def watching(self) -> Iterator[None]:
        before = sys.gettrace()
        threading.settrace(self._call)
        sys.settrace(self._call)
        try:
            yield
        finally:
            sys.settrace(before)
            threading.settrace(before)  # type: ignore[arg-type]

    def _call(self, frame: FrameType, event: str, argument: Any) -> Any:
        lines = self.seen.get(frame.f_code.co_filename)
        if lines is None:
            return None
        lines.add(frame.f_lineno)

        def line(frame: FrameType, event: str, argument: Any) -> Any:
            lines.add(frame.f_lineno)
            return line

        return line

    def missing(self) -> dict[str, list[int]]:
        """Lines of functions that were not run; lines of a module's own level run at its import."""
        found = {}
        for name, seen in self.seen.items():
            code = compile(Path(name).read_text(), name, "exec")
            wanted = {line for inner in functions(code) for line in lines_of(inner)}
            if left := sorted(wanted - seen):
                found[name] = left
        return found


def functions(code: CodeType) -> Iterator[CodeType]:
    """All code within a module, that of classes' own bodies apart, which run at its import."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if constant.co_flags & 0x2:  # CO_NEWLOCALS: a function, not the body of a class
                yield constant
            yield from functions(constant)


def lines_of(code: CodeType) -> set[int]:
    """The lines that hold code; the line of a definition itself runs where it is defined."""
    lines = {line for _, _, line in code.co_lines() if line is not None}
    return lines - {code.co_firstlineno} if len(lines) > 1 else lines
