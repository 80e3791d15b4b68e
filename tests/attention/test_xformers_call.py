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


def test_a_build_without_kernels_is_missing_with_its_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    """As release 0.0.35, made for CUDA 12.8, answers with a torch for CUDA 13.0."""

    def refuses(*_: object) -> None:
        raise NotImplementedError(
            "No operator found for `memory_efficient_attention_forward` with inputs:\n"
            "     query       : shape=(1, 8, 1, 8) (torch.float16)\n"
            "`fa2F@2.5.7-pt` is not supported because:\n"
            "    xFormers wasn't build with CUDA support\n"
            "`cutlassF-pt` is not supported because:\n"
            "    xFormers wasn't build with CUDA support"
        )

    module = ModuleType("xformers.ops")
    module.memory_efficient_attention_forward = refuses  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "xformers", ModuleType("xformers"))
    monkeypatch.setitem(sys.modules, "xformers.ops", module)
    monkeypatch.setattr(xformers, "find_spec", lambda name: object())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "zeros", lambda *shape, **_: torch.empty(shape))
    reason = xformers.missing.__wrapped__()
    assert "has no kernel that runs here (xFormers wasn't build with CUDA support); install" in reason
