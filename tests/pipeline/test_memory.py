"""Free memory is what the system has left, or the container's limit allows."""

import pytest

from limelight.pipeline.memory import free_bytes

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
