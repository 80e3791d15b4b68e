"""How a process of the command line begins and ends: without work that a short life has no use for."""

import atexit
import ctypes
import gc
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

SPINS = "5000"  # turns of waiting awake; libgomp's own are 300,000. 3,000 cost 5 % where nothing else runs
MAPPED, KEPT = 3 * 2**22, 2**28  # bytes
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
NOT_WRITTEN = 2
NOBODY_READS = 141  # what a shell reports of a program that SIGPIPE ended


def begin() -> None:
    """To be called before torch is imported.

    Nothing that is imported or loaded becomes garbage, so none is looked for until `loaded`. And threads of
    libgomp wait for each other awake for a short while only: where another program has one of two cores,
    those that wait keep those that work from running, and a picture of 2 seconds took 29; so it takes 3.5.
    """
    open_closed_streams()
    gc.disable()
    os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    hold_memory_together()


def open_closed_streams() -> None:
    """Gives a process that was started without stdin, stdout or stderr an empty one: else the next file that
    it opens is taken for that."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", closefd=False))


def hold_memory_together() -> None:
    """Has glibc map tensors of `MAPPED` bytes or more one by one, and keep what is freed of smaller ones for
    the next, instead of moving the border between the two with what comes: a large picture takes a third
    less memory beside the weights, and no more time."""
    if sys.platform == "linux":
        with suppress(AttributeError):  # another C library
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(M_MMAP_THRESHOLD, MAPPED)
            mallopt(M_TRIM_THRESHOLD, KEPT)


def loaded() -> None:
    """Looks for garbage from now on, but not among what is there; does nothing the second time."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def run(main: Callable[[], None]) -> NoReturn:
    """Calls `main` and ends the process with its exit code, without taking the interpreter and every module
    apart, which takes a second where torch is loaded. What was registered with atexit is done, and output is
    flushed.

    Threads that are not daemons are not waited for.
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
    """As the interpreter understands it."""
    if error.code is None or isinstance(error.code, int):
        return error.code or 0
    print(error.code, file=sys.stderr)
    return 1
