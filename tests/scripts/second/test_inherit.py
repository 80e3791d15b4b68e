"""The second edition begins where the first one ended."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from transformers import CLIPTextModel, CLIPTokenizer

from limelight.unet import UNet
from limelight.unet.config.read_diffusers import translate
from scripts.second.autoencoder.teacher import load_teacher
from scripts.second.autoencoder.training import vae_stage
from scripts.second.training.attention import TrainingAttention
from scripts.second.training.config import TWO_CORES
from scripts.second.training.denoising import unet_config
from scripts.second.training.inherit import inherit, inherit_text
from scripts.second.training.reading import text_stage
from scripts.second.training.text import TextSide
from scripts.second.training.unet import coarse_stage, unet_stage
from scripts.training import loop
from scripts.training.config import StageConfig
from scripts.training.tools import checkpoint

pytestmark = pytest.mark.long


@pytest.fixture
def text(world_folder) -> TextSide:
    return TextSide(TWO_CORES.text, world_folder / "tokenizer")


def test_old_words_mean_what_they_meant(first_edition, text) -> None:
    known = inherit_text(text, first_edition)
    assert len(known) > 500
    first = CLIPTextModel.from_pretrained(first_edition / "text_encoder", dtype=torch.float32)
    tokens = CLIPTokenizer.from_pretrained(first_edition / "tokenizer")
    caption = "a red apple to the left of two blue cars"
    old = first(tokens(caption, return_tensors="pt").input_ids).last_hidden_state
    new = text.encode([caption])[:, : old.shape[1]]
    assert torch.allclose(new, old, atol=1e-5)


def test_only_new_words_are_learned_from_captions(first_edition, text, tmp_path) -> None:
    few = StageConfig(steps=2, batch=4, learning_rate=1e-2)
    config = replace(TWO_CORES, inherits=first_edition, text=replace(TWO_CORES.text, stage=few))
    loop.run(stage := text_stage(config, text), tmp_path, log_every=1)
    fresh = TextSide(TWO_CORES.text, text.tokenizer.name_or_path)
    known = inherit_text(fresh, first_edition)
    before, after = fresh.encoder.state_dict(), stage.modules["encoder"].state_dict()
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert set(changed) <= {"embeddings.token_embedding.weight"}
    (tokens,) = [name for name in before if "token_embedding" in name]
    assert torch.equal(before[tokens][known], after[tokens][known])


def test_a_wider_denoiser_predicts_the_same_of_its_first_channels(first_edition) -> None:
    old = load_file(first_edition / "unet/diffusion_pytorch_model.safetensors")
    first = UNet.from_pretrained(first_edition / "unet").eval()
    second = UNet(translate(unet_config(TWO_CORES))).eval()
    inherit(second, {name: tensor.float() for name, tensor in old.items()})
    x, t, context = torch.randn(2, 8, 16, 16), torch.tensor([900, 20]), torch.randn(2, 9, 256)
    attention = TrainingAttention(plan={}, paint=torch.zeros(2, 16, 16, 9))
    expected, found = (
        first(x[:, :4], t, context, attention=attention),
        second(x, t, context, attention=attention),
    )
    assert torch.allclose(found[:, :4], expected, atol=1e-5)
    assert torch.equal(found[:, 4:], torch.zeros_like(found[:, 4:]))


def test_another_network_cannot_be_inherited(first_edition, tiny) -> None:
    small = UNet(translate(unet_config(tiny)))
    with pytest.raises(RuntimeError):
        inherit(small, load_file(first_edition / "unet/diffusion_pytorch_model.safetensors"))


def test_the_teacher_sees_a_picture_of_half_the_side(first_edition) -> None:
    teacher = load_teacher(first_edition, "cpu")
    small = torch.rand(1, 3, 64, 64) * 2 - 1
    large = small.repeat_interleave(2, 2).repeat_interleave(2, 3)
    expected = super(type(teacher), teacher).encode(small).latent_dist.mean
    assert torch.allclose(teacher.encode(large).latent_dist.mean, expected, atol=1e-4)
    assert teacher.decode(expected).sample.shape == large.shape


def test_the_denoiser_learns_before_the_autoencoder_is_there(
    first_edition, world, text, tiny, tmp_path
) -> None:
    """Then it goes on with the latents of the new one."""
    few = StageConfig(steps=1, batch=1, learning_rate=1e-4)
    unet = replace(TWO_CORES.unet, coarse=few, stage=few, pool=tiny.unet.pool, held_out=4)
    vae, text_config = replace(tiny.vae, stage=few), replace(TWO_CORES.text, stage=few)
    config = replace(TWO_CORES, inherits=first_edition, unet=unet, vae=vae, text=text_config)
    loop.run(text_stage(config, text), tmp_path, report_every=10)
    stage = coarse_stage(config, world, text, tmp_path)
    stage.report = lambda step: {}
    loop.run(stage, tmp_path, log_every=1)
    autoencoder, _ = vae_stage(config, world, tmp_path)
    assert "missed" in autoencoder.report(0)
    autoencoder.report = lambda step: {}
    loop.run(autoencoder, tmp_path, log_every=1)
    coarse = checkpoint.load(tmp_path / "coarse.pt")["modules"]["denoising"]
    own = unet_stage(config, world, text, tmp_path).modules["denoising"].state_dict()
    assert torch.equal(own["model.unet.conv_in.weight"][:, :4], coarse["model.unet.conv_in.weight"])
    assert torch.equal(
        own["model.unet.mid_block.resnets.0.conv1.weight"],
        coarse["model.unet.mid_block.resnets.0.conv1.weight"],
    )
    (tmp_path / "coarse.pt").unlink()
    own = unet_stage(config, world, text, tmp_path).modules["denoising"].state_dict()
    first = load_file(first_edition / "unet/diffusion_pytorch_model.safetensors")
    assert torch.equal(own["model.unet.conv_in.weight"][:, :4], first["conv_in.weight"].float())
