"""Every variant changes the recipe, short runs are measured, and two seeds make one row."""

from dataclasses import replace

import pytest
import torch

from scripts.second.ablate import table
from scripts.second.ablations.runs import ablate, results
from scripts.second.ablations.variants import NOT_READ, UNET, VAE
from scripts.second.autoencoder.training import vae_stage
from scripts.second.training.config import TWO_CORES
from scripts.second.training.reading import text_stage
from scripts.second.training.text import TextSide
from scripts.training import loop

pytestmark = pytest.mark.long


@pytest.mark.parametrize("variants", [UNET, VAE], ids=["unet", "vae"])
def test_every_variant_is_another_recipe(variants) -> None:
    found = [change(TWO_CORES) for change in variants.values()]
    assert found[0] == TWO_CORES
    assert all(one != other for i, one in enumerate(found) for other in found[:i])


def test_two_seeds_of_a_variant_make_one_row(world, world_folder, tiny, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("scripts.second.ablations.runs.SCENES", 4)
    monkeypatch.setattr(
        "scripts.second.ablations.runs.POOL", replace(tiny.unet.pool, chunk=8, window=2, encode=8)
    )
    torch.manual_seed(0)
    tokenizer = world_folder / "tokenizer"
    stage, _ = vae_stage(tiny, world, tmp_path)
    stage.report = lambda step: {}
    loop.run(stage, tmp_path)
    loop.run(text_stage(tiny, TextSide(tiny.text, tokenizer)), tmp_path)
    for seed in (0, 1):
        found = ablate("unet", NOT_READ, seed, tiny, 2, world, tokenizer, tmp_path)
        assert found["loss"] > 0
    rows = results(tmp_path, "unet")
    assert list(rows) == [NOT_READ]
    assert len(rows[NOT_READ]["loss"]) == 2
    assert table(rows, ("loss",)).splitlines()[2].startswith(f"| {NOT_READ} | ")
    assert "±" in table(rows, ("loss",))
