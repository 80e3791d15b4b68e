"""Every variant differs from the recipe in one thing, and the loss is weighed as it says."""

from dataclasses import fields, is_dataclass

import pytest
import torch

from scripts.training.ablations import UNTRAINED_TEXT, VARIANTS
from scripts.training.config import SHIPPED
from scripts.training.unet import loss_weights, scheduler


def differences(one: object, other: object, path: str = "") -> list[str]:
    if not is_dataclass(one):
        return [path] if one != other else []
    return [
        found
        for field in fields(one)
        for found in differences(getattr(one, field.name), getattr(other, field.name), f"{path}.{field.name}")
    ]


@pytest.mark.parametrize("name", tuple(VARIANTS))
def test_a_variant_changes_one_thing(name: str) -> None:
    changed = differences(SHIPPED, VARIANTS[name](SHIPPED))
    assert len(changed) == (0 if name == "the recipe" else 1), changed
    if name == UNTRAINED_TEXT:  # its encoder has all to learn, so it learns as fast as the denoiser
        assert changed == [".unet.text_rate"]


def test_min_snr_weighs_as_published() -> None:
    noising = scheduler(SHIPPED)
    kept = noising.alphas_cumprod
    assert torch.equal(loss_weights(noising, None), torch.ones(1000))
    weights = loss_weights(noising, 5.0)
    snr = kept / (1 - kept)
    expected = torch.minimum(snr, torch.tensor(5.0)) / (snr + 1)
    assert torch.allclose(weights, expected, rtol=1e-4)
    assert weights[0] < 0.01 and weights.max() > 0.8 and weights[-1] < 0.01  # neither end counts
