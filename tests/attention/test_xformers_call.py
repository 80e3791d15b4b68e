"""The arguments of xFormers, checked by a stand-in with the same restrictions."""

import sys
from types import ModuleType

import pytest
import torch
from torch import Tensor

from limelight.attention import attend
from limelight.attention.backends import xformers


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """`xformers.ops`, in plain torch; its alignment rules are those of its release 0.0.35."""

    def forward(q: Tensor, k: Tensor, v: Tensor, *, attn_bias: Tensor | None, scale: float) -> Tensor:
        for name, x in (("query", q), ("key", k), ("value", v)):
            if x.stride(-1) > 1:
                raise NotImplementedError(f"{name}.stride(-1) > 1 (strides are {x.stride()})")
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))  # b n h d -> b h n d
        return attend(q, k, v, mask=attn_bias, scale=scale, backend="math").transpose(1, 2)

    names = ("xformers", "xformers.ops", "xformers.ops.fmha", "xformers.ops.fmha.attn_bias")
    modules = {name: ModuleType(name) for name in names}
    modules["xformers.ops"].memory_efficient_attention_forward = forward  # type: ignore[attr-defined]
    modules[names[-1]].LowerTriangularFromBottomRightMask = object  # type: ignore[attr-defined]
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("which", [0, 1, 2])
def test_numbers_of_a_head_that_lie_apart_are_put_together(which: int) -> None:
    torch.manual_seed(0)
    tensors = [torch.randn(2, 3, 10, 8) for _ in range(3)]
    tensors[which] = tensors[which].mT.contiguous().mT
    out = xformers.run(*tensors, mask=None, causal=False, scale=0.3)
    torch.testing.assert_close(out, attend(*tensors, scale=0.3, backend="math"))
