"""Changes are added to weights from their originals, and undone bit for bit."""

import pytest
import torch
from torch import nn

from limelight.unet.weights.merge import MergedWeights


@pytest.fixture(params=[torch.float32, torch.bfloat16])
def model(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.Conv2d(3, 2, 1)).to(request.param)


def random(original: torch.Tensor) -> torch.Tensor:
    return torch.randn(original.shape, generator=torch.Generator().manual_seed(original.numel()))


def test_changes_replace_those_before_and_are_undone_bit_for_bit(model):
    merged = MergedWeights(model)
    before = {name: each.clone() for name, each in model.state_dict().items()}
    assert merged.state == ()
    merged.merge({"0.weight": [random], "1.weight": [random]}, "first")
    merged.merge({"0.weight": [random, random]}, "second")
    assert merged.state == "second"
    now = model.state_dict()
    delta = random(now["0.weight"])
    expected = (before["0.weight"].float() + delta + delta).to(now["0.weight"].dtype)  # rounded once
    assert now["0.weight"].equal(expected)
    assert all(now[name].equal(before[name]) for name in before if name != "0.weight")
    merged.merge({}, ())
    assert all(each.equal(before[name]) for name, each in model.state_dict().items())
    assert merged.state == ()


def test_every_change_is_given_the_original(model):
    before = model[0].weight.detach().float().clone()
    MergedWeights(model).merge({"0.weight": [torch.ones_like, lambda original: 2 * original]}, "both")
    expected = (before + 1 + 2 * before).to(model[0].weight.dtype)  # rounded once
    assert model[0].weight.equal(expected)


def test_a_merge_changes_the_tensors_versions(model):
    version = model[0].weight._version
    MergedWeights(model).merge({"0.weight": [random]}, "it")
    assert model[0].weight._version > version


def test_an_unknown_name_is_refused(model):
    with pytest.raises(AttributeError, match="bias2"):
        MergedWeights(model).merge({"0.bias2": [random]}, "it")
