"""A query that may see no key gets zeros, and no NaN reaches a gradient, whatever the kernel."""

import pytest
import torch

from limelight.attention import AttentionSpec, attend, backends

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]
DTYPES = [torch.float16, torch.bfloat16, torch.float32]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kind", ["bool", "additive"])
@pytest.mark.parametrize("name", [backend.name for backend in backends if not backend.missing()])
def test_zeros_and_finite_gradients(name: str, kind: str, dtype: torch.dtype, device: str) -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 2, 32, 40, device=device, dtype=dtype).requires_grad_() for _ in range(3))
    mask = torch.rand(2, 1, 32, 32, device=device) > 0.3
    mask[:, :, 3] = False
    if kind == "additive":
        mask = torch.zeros_like(mask, dtype=dtype).masked_fill(~mask, -torch.inf)
    for needs_grad in (False, True):
        with torch.set_grad_enabled(needs_grad):
            spec = AttentionSpec.of(q, k, v, mask=mask)
            if next(b for b in backends if b.name == name).refusals(spec):
                continue
            out = attend(q, k, v, mask=mask, backend=name)
        assert not out[:, :, 3].any()
        assert out[:, :, :3].ne(0).any(-1).all()
        if needs_grad:
            assert all(grad.isfinite().all() for grad in torch.autograd.grad(out.square().sum(), (q, k, v)))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_mask_may_repeat_along_the_keys(dtype: torch.dtype, device: str) -> None:
    q, k, v = (torch.randn(2, 2, 32, 40, device=device, dtype=dtype) for _ in range(3))
    mask = torch.randn(32, 1, device=device)  # the same for every key, so it changes nothing
    limit = 4 * torch.finfo(dtype).eps * v.abs().max()
    assert (attend(q, k, v, mask=mask) - attend(q, k, v)).abs().max() <= limit
