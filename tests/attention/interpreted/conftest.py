"""Tests of Triton kernels: on a GPU, or on a CPU in Triton's interpreter, which `test_triton.py` starts."""

import os
from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch

from attention import Backend, Capability
from attention.backends import triton

IS_INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
RUNS_HERE = find_spec("triton") is not None and (IS_INTERPRETED or torch.cuda.is_available())
collect_ignore_glob = [] if RUNS_HERE else ["test_*.py"]


@pytest.fixture(scope="session")
def device() -> str:
    return "cpu" if IS_INTERPRETED else "cuda"


@pytest.fixture(scope="session")
def backend(device: str) -> Backend:
    """The backend, on the device on which its kernel can run here."""
    return replace(triton.BACKEND, capability=Capability({device: triton.LIMITS}), missing=lambda: None)
