"""A program in TorchScript does what it does in Python, or is refused."""

import gc
import weakref

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from limelight.unet.fast import script
from limelight.unet.fast.script import in_script
from tests.unet.fast.programs import listed, repeat


def test_lists_numbers_and_types() -> None:
    weight, x = torch.randn(8, 8), torch.randn(8, 8)

    def compute(x):
        (only,) = torch.mm(x, weight).split(100)
        low, high = only.clamp(-torch.inf, 0.1 + 0.2).chunk(2, dim=1)
        wide = torch.cat([low, high, low], dim=1).to(torch.float64).to(memory_format=torch.contiguous_format)
        largest, place = wide.max(dim=1)
        return largest, place, F.pad(wide, (1, 0), value=1e-30)

    repeat(listed(compute, x), compute, x)


def test_what_torchscript_does_not_know_is_refused() -> None:
    program = listed(lambda x: (x.view(torch.int32),), torch.randn(8, 8))
    with pytest.raises(RuntimeError, match="Argument size not provided"):
        in_script(program)


def test_what_torchscript_would_take_for_another_operation_is_refused(monkeypatch) -> None:
    def unnamed(each, schema):
        return each.line_of(f"torch.ops.{schema.name.replace('::', '.')}")

    monkeypatch.setattr(script, "_by_name", unnamed)  # so that the type is taken for a size
    program = listed(lambda x: (x.view(torch.int32),), torch.randn(8, 8))
    with pytest.raises(RuntimeError, match=r"aten::view.dtype.* as aten::view\("):
        in_script(program)


def test_a_value_that_torchscript_does_not_know_is_refused() -> None:
    generator = torch.Generator()
    program = listed(lambda x: (torch.rand(8, generator=generator) + x,), torch.randn(8, 8))
    with pytest.raises(RuntimeError, match="undefined value"):
        in_script(program)


def test_constants_go_with_the_script() -> None:
    array = np.ones((8, 8), dtype=np.float32)
    held = weakref.ref(array)  # by the memory of the tensor
    weight = torch.from_numpy(array)
    run = in_script(listed(lambda x: (torch.mm(x, weight),), torch.randn(8, 8)))
    del array, weight
    with torch.inference_mode():
        assert run({"x": torch.ones(8, 8)}, None)[0].eq(8).all()
    assert held() is not None
    del run
    gc.collect()
    assert held() is None
