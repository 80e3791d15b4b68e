"""Tests of Triton kernels on a CPU, in Triton's interpreter, which `test_triton.py` starts."""

import os
from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch

from limelight.attention import Backend, Capability
from limelight.attention.backends import triton

RUNS_HERE = find_spec("triton") is not None and os.environ.get("TRITON_INTERPRET") == "1"
collect_ignore_glob = [] if RUNS_HERE else ["test_*.py"]


@pytest.fixture(scope="session")
def device() -> str:
    return "cpu"


@pytest.fixture(scope="session")
def backend(device: str) -> Backend:
    """The backend, where its kernel can run here; in float32 too, which shows mistakes best."""
    limits = replace(triton.LIMITS, dtypes=frozenset({torch.float16, torch.float32}))
    return replace(triton.BACKEND, capability=Capability({device: limits}), missing=lambda: None)
