"""An exported model loads in diffusers and in Limelight, and draws the same picture in both."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.unet import UNet
from limelight.unet.config.read_diffusers import translate
from scripts.second.autoencoder import kept
from scripts.second.autoencoder.ready import trained_vae
from scripts.second.autoencoder.training import build_vae
from scripts.second.training.config import VaeConfig
from scripts.second.training.denoising import unet_config
from scripts.second.training.export import Parts, export, words_of
from scripts.second.training.packed import shortened
from scripts.second.training.text import TextSide
from scripts.second.world.nouns import CORE, NOUNS


@pytest.fixture(scope="module")
def folder(world_folder, tiny, tmp_path_factory):
    torch.manual_seed(0)
    config = replace(tiny, unet=replace(tiny.unet, channels=(32, 32, 32)))
    tokenizer = world_folder / "tokenizer"
    vae = build_vae(config.vae)
    vae.register_to_config(scaling_factor=1.0)
    encoder = TextSide(config.text, tokenizer).encoder.state_dict()
    parts = Parts(UNet(translate(unet_config(config))).state_dict(), encoder, vae)
    out = tmp_path_factory.mktemp("export") / "model"
    for _ in range(2):  # the second time over the first
        export(config, parts, tokenizer, out, CORE)
    return out


def test_both_draw_the_same_picture(folder) -> None:
    prompt, steps = "a red fox behind a golden key on a beach at sunset", 3
    ours = TextToImagePipeline.from_pretrained(str(folder))
    request = GenerationRequest(prompt=prompt, num_steps=steps, guidance_scale=3.0, seed=1, scheduler="model")
    (mine,) = ours([request])
    theirs = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    noise = torch.randn(1, 8, 16, 16, generator=torch.Generator().manual_seed(1))
    theirs.set_progress_bar_config(disable=True)
    made = theirs(prompt, num_inference_steps=steps, guidance_scale=3.0, latents=noise).images[0]
    assert mine.image.size == made.size == (128, 128)
    difference = np.abs(np.asarray(mine.image, int) - np.asarray(made, int))
    assert difference.max() <= 1


def test_all_parts_load_in_one_dtype_and_the_card_is_this_models(folder) -> None:
    assert json.loads((folder / "text_encoder" / "config.json").read_text())["dtype"] == "float32"
    card = (folder / "README.md").read_text()
    assert f"It knows {CORE} nouns" in card and "U-Net (32, 32, 32) of " in card and "{" not in card


def test_a_size_that_is_not_square_draws(folder) -> None:
    pipe = TextToImagePipeline.from_pretrained(str(folder))
    request = GenerationRequest(prompt="a cat", width=160, height=96, num_steps=1, seed=0)
    (result,) = pipe([request])
    assert result.image.size == (160, 96)


def test_a_kept_autoencoder_is_the_one_of_the_exported_model(
    folder, world, tiny, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(kept, "KEPT", tmp_path / "autoencoder.safetensors")
    torch.manual_seed(0)
    vae = build_vae(tiny.vae)
    assert kept.kept_weights(tiny.vae) is None
    kept.keep(vae)
    assert kept.KEPT.read_bytes() == (folder / "vae" / "diffusion_pytorch_model.safetensors").read_bytes()
    assert kept.kept_weights(VaeConfig()) is None  # of another size
    again = trained_vae(tiny, world, tmp_path)  # no stage has run here
    assert all(
        torch.equal(shortened(tensor.half()), shortened(again.state_dict()[name].half()))
        for name, tensor in vae.state_dict().items()
    )


def test_rounded_weights_keep_three_bits_fewer() -> None:
    values = torch.cat(
        [torch.randn(10_000) * 3, torch.tensor([0.0, -0.0, 65504, -65504, 6e-8, float("inf")])]
    ).half()
    found = shortened(values)
    assert (found.view(torch.int16) & 0b111)[:-1].abs().max() == 0
    normal = values.abs() > 1e-4
    error = ((found.float() - values.float()) / values.float())[normal & values.isfinite()].abs()
    assert error.max() < 0.004
    assert found.isfinite().sum() == values.isfinite().sum()
    assert torch.equal(shortened(torch.arange(5)), torch.arange(5))


def test_the_vocabulary_has_the_nouns_that_were_learned() -> None:
    core, whole = words_of(CORE), words_of(len(NOUNS))
    assert len(core["nouns"]) == CORE < len(whole["nouns"])
    assert "wolf" not in core["nouns"] and "wolf" not in core["others"]
    assert core["synonyms"]["bunny"] == "rabbit"
    assert {"cute", "and", "background"} <= set(core["others"])
