"""Starts and ends processes of the command line without unnecessary work."""

import atexit
import ctypes
import gc
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

SPINS = "5000"  # of busy waiting; libgomp's default is 300,000. 3,000 cost 5 % on an idle machine
MAPPED, KEPT = 3 * 2**22, 2**28  # bytes
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
NOT_WRITTEN = 2
NOBODY_READS = 141  # a shell's exit code for a program that SIGPIPE ended


def begin() -> None:
    """Prepares the process; call it before torch is imported.

    Imports and loading create no garbage, so collection is off until `loaded`. Threads of libgomp wait busily
    only for a short time. With the default, if another program used one of two cores, waiting threads kept
    working threads from running: a picture of 2 seconds took 29. Now it takes 3.5.
    """
    open_closed_streams()
    gc.disable()
    os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    hold_memory_together()


def open_closed_streams() -> None:
    """Opens stdin, stdout or stderr on the null device if it is closed. Otherwise the next file that the
    process opens would get its number."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", closefd=False))


def hold_memory_together() -> None:
    """Sets a fixed limit from which glibc maps tensors separately, and lets it keep the memory of smaller
    ones.

    By default glibc moves the limit. With `MAPPED` bytes, a large picture takes a third less memory in
    addition to the weights, in the same time.
    """
    if sys.platform == "linux":
        with suppress(AttributeError):  # another C library
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(M_MMAP_THRESHOLD, MAPPED)
            mallopt(M_TRIM_THRESHOLD, KEPT)


def loaded() -> None:
    """Turns garbage collection on, except for existing objects. A second call does nothing."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def run(main: Callable[[], None]) -> NoReturn:
    """Calls `main` and ends the process with its exit code.

    It skips the teardown of the interpreter, which takes a second with torch. Functions registered with
    atexit run, and output is flushed. It does not wait for other threads.
    """
    begin()
    code = 0
    try:
        main()
    except SystemExit as error:
        code = _code(error)
    except BrokenPipeError:
        code = NOBODY_READS
    except BaseException:
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = code or NOBODY_READS
    except OSError as error:
        with suppress(OSError):
            print(f"limelight: the standard output cannot be written: {error.strerror}", file=sys.stderr)
        code = code or NOT_WRITTEN
    with suppress(OSError):
        sys.stderr.flush()
    os._exit(code)


def _code(error: SystemExit) -> int:
    """The exit code, as the interpreter computes it."""
    if error.code is None or isinstance(error.code, int):
        return error.code or 0
    print(error.code, file=sys.stderr)
    return 1
