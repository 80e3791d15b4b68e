"""Free memory is the smaller of the system's and the container's."""

import ctypes
import os
from pathlib import Path

import pytest

from limelight.pipeline.memory import free_bytes, give_back

V1 = ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes")
V2 = ("memory.max", "memory.current")


@pytest.mark.parametrize(
    ("available", "names", "limit", "use", "free"),
    [
        (2048, V2, "max", "5", 2**21),
        (2048, V2, "1000000", "300000", 700_000),
        (2048, V1, "1000000", "300000", 700_000),
        (2048, V1, "9223372036854771712", "5", 2**21),
        (2048, V2, "10", "20", 0),
        (None, V2, "max", "5", None),
    ],
)
def test_the_least_of_what_is_left(available, names, limit, use, free, tmp_path):
    for name, text in zip(names, (limit, use), strict=True):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    meminfo = tmp_path / "meminfo"
    if available is not None:
        meminfo.write_text(f"MemTotal: 9999 kB\nMemAvailable: {available} kB\n")
    assert free_bytes(meminfo, tmp_path) == free


def test_unused_memory_is_returned_to_the_system() -> None:
    """Small blocks below one that is kept stay with glibc, until it is asked for them."""
    if not hasattr(ctypes.CDLL(None), "malloc_trim"):
        pytest.skip("another C library")

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    blocks = [bytearray(60_000) for _ in range(3_000)]
    kept = bytearray(60_000)
    before = resident()
    del blocks
    give_back()
    assert resident() < before - 100 * 2**20
    assert len(kept) == 60_000


def test_another_c_library_is_tolerated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert give_back() is False
