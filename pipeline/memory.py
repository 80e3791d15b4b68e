"""Measures how much memory there is, and how much of it a process may still take."""

import ctypes
import os
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")
_LIMITS = (  # limit and use, of both versions of control groups, as a container sees its own
    ("memory.max", "memory.current"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
)


def physical_memory() -> int:
    """Bytes of main memory; 64 GiB if the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 64 * 2**30


def free_bytes(meminfo: Path = _MEMINFO, cgroup: Path = _CGROUP) -> int | None:
    """Bytes that a process can take without displacing others; None if the system does not say."""
    found = [_available(meminfo), *(_left(cgroup / limit, cgroup / use) for limit, use in _LIMITS)]
    return min((each for each in found if each is not None), default=None)


def give_back() -> bool:
    """Returns freed memory of this process to the system; False if the C library cannot.

    glibc keeps memory that threads have freed in an arena for each, so a server stays large after busy times.

    Source: malloc_trim(3).
    """
    try:
        return bool(ctypes.CDLL(None).malloc_trim(0))
    except (AttributeError, OSError, TypeError):  # another C library, or another system
        return False


def _available(meminfo: Path) -> int | None:
    try:
        lines = meminfo.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _left(limit: Path, use: Path) -> int | None:
    """Bytes left under a limit; None if there is no limit, because the file is missing or says `max`."""
    try:
        return max(0, int(limit.read_text()) - int(use.read_text()))
    except (OSError, ValueError):
        return None
