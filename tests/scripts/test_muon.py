"""Muon takes hidden matrices, whatever their form, and steps as far as AdamW would."""

import pytest
import torch
from torch import nn

from scripts.training.tools.muon import Muon, is_hidden, orthogonal


@pytest.mark.parametrize("shape", [(3, 32, 80), (2, 80, 32), (1, 48, 48)])
def test_singular_values_come_near_one(shape) -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonal(torch.randn(shape)))
    assert values.min() > 0.5 and values.max() < 1.3


def test_directions_are_kept() -> None:
    torch.manual_seed(0)
    left, _, right = torch.linalg.svd(torch.randn(1, 32, 64), full_matrices=False)
    matrix = left @ torch.diag_embed(torch.linspace(1, 2, 32)[None]) @ right
    found = orthogonal(matrix)
    assert torch.nn.functional.cosine_similarity(found.flatten(), (left @ right).flatten(), 0) > 0.97


@pytest.mark.parametrize("layer", [nn.Linear(64, 128), nn.Conv2d(32, 64, 3)])
def test_a_step_is_as_long_as_adamw_takes(layer) -> None:
    torch.manual_seed(0)
    before = layer.weight.detach().clone()
    layer.weight.grad = torch.randn_like(layer.weight) * 1e-4
    Muon([layer.weight], lr=1e-2, weight_decay=0.0).step()
    assert (layer.weight.detach() - before).square().mean().sqrt() == pytest.approx(0.2e-2, rel=0.25)


def test_it_learns() -> None:
    torch.manual_seed(0)
    layer, wanted, x = nn.Linear(32, 32, bias=False), torch.randn(32, 32) / 6, torch.randn(256, 32)
    optimizer = Muon(layer.parameters(), lr=0.02, weight_decay=0.0)
    losses = []
    for step in range(200):
        optimizer.param_groups[0]["lr"] = 0.02 * (1 - step / 200)
        loss = (layer(x) - x @ wanted.T).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.01 * losses[0]


def test_outer_layers_norms_and_embeddings_are_left_to_adamw() -> None:
    assert is_hidden(nn.Conv2d(64, 64, 3).weight) and is_hidden(nn.Linear(256, 1024).weight)
    others = (nn.Conv2d(4, 64, 3).bias, nn.GroupNorm(8, 64).weight, nn.Embedding(2217, 256).weight)
    assert not any(map(is_hidden, (*others, nn.Conv2d(64, 4, 3).weight, nn.Linear(256, 9).weight)))
