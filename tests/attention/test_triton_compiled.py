"""The Triton kernel as its compiler makes it for GPUs that are not here: registers and shared memory."""

import re
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")
SMALLEST = 99 * 1024  # bytes of shared memory that a block may have at compute capability 8.6, 8.9 and 12.0


def compiled(capability: int, head_dim: int, num_keys: int, *, mapped: bool) -> tuple[int, int]:
    """Bytes of shared memory, and bytes a thread that do not fit in its registers."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from limelight.attention.backends.triton_kernels import _kernel, sizes

    chunk, keys, queries, warps = sizes(head_dim, num_keys)
    names = _kernel.arg_names
    fixed = {"mask": None, "blocks": None, "HEADS": 8 if mapped else 1, "QUERIES": queries, "KEYS": keys}
    fixed |= {"CHUNK": chunk, "CHUNKS": -(-head_dim // chunk), "PAGE": 0, "MASK": 0, "MAPPED": mapped}
    halves = dict.fromkeys(("q", "k", "v", "out"), "*fp16")
    types = dict.fromkeys(names, "i32") | halves | {"means": "*fp32", "scale": "fp32"}
    types |= dict.fromkeys(fixed, "constexpr")
    strides = [name for name in names if name.endswith(("_row", "_head", "_query", "_block", "_token"))]
    source = ASTSource(
        fn=_kernel,
        signature=types,
        constexprs={(names.index(name),): value for name, value in fixed.items()},
        attrs={(names.index(name),): [["tt.divisibility", 16]] for name in (*halves, "means", *strides)},
    )
    options = {"num_warps": warps, "enable_fp_fusion": False}
    made = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(made.asm["cubin"])
        file.flush()
        told = subprocess.run([tool, "-res-usage", file.name], capture_output=True, text=True, check=True)
    found = re.search(r"STACK:(\d+)", told.stdout + told.stderr)
    assert found
    return made.metadata.shared, int(found[1])


def test_the_largest_call_has_enough_shared_memory_on_small_gpus() -> None:
    shared, _ = compiled(86, 256, 512, mapped=False)
    assert shared <= SMALLEST


@pytest.mark.parametrize("mapped", [False, True])
def test_a_prompt_of_one_chunk_stays_in_registers(mapped: bool) -> None:
    shared, stack = compiled(90, 160, 77, mapped=mapped)
    assert (shared <= SMALLEST, stack) == (True, 0)
