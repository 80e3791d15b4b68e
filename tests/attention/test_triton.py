"""Triton's kernels in its interpreter, which is chosen before triton is imported and so takes a process."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from limelight.attention import BackendRefused, attend, get

ROOT = Path(__file__).parents[2]


@pytest.mark.long
@pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")
def test_kernels_in_the_interpreter() -> None:
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            *map(os.fspath, ROOT.glob("tests/*/interpreted")),
        ],
        env={**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " passed" in ran.stdout


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_refuses_with_a_message() -> None:
    q = torch.randn(1, 1, 4, 16)
    with pytest.raises(
        BackendRefused,
        match=r"^triton cannot run this attention: triton (is not installed|compiles for a GPU, and torch)",
    ):
        attend(q, q, q, backend="triton")
    with pytest.raises(BackendRefused, match=r"^triton cannot run this attention: device is cpu; needs cuda"):
        get("triton").attend(q, q, q)
