"""Attention alone: grouped heads, a mask, and the backend that the call takes."""

import torch

from limelight.attention import AttentionSpec, attend, backends
from limelight.attention.registry import choose

q = torch.randn(1, 8, 64, 40)  # b h n d
k = torch.randn(1, 2, 77, 40)  # two key heads serve eight query heads
v = torch.randn(1, 2, 77, 40)
mask = torch.arange(77) < 9  # the prompt has nine tokens; the others are padding

out = attend(q, k, v, mask=mask.expand(1, 1, 64, 77))
exact = attend(q, k, v, mask=mask.expand(1, 1, 64, 77), backend="math")
print(f"output {tuple(out.shape)}, largest difference from math {(out - exact).abs().max():.1e}")

spec = AttentionSpec(
    device="cpu", dtype=torch.float32, head_dim=40, num_queries=64, num_keys=77, num_heads=8, num_kv_heads=2
)
chosen, passed_over = choose(spec)
print(f"chosen: {chosen.name}, of {len(backends)} backends")
for name, reasons in passed_over.items():
    print(f"passed over: {name}: {'; '.join(reasons)}")
