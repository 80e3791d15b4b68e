"""Tiny models with random weights, made by diffusers and saved in the usual layouts."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from limelight.pipeline import TextToImagePipeline
from tests.pipeline.adapters.lora_files import assert_equal, weights


def _byte_alphabet() -> list[str]:
    """The characters that stand for the 256 bytes in CLIP's and GPT-2's vocabularies."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(b) for b in printable] + [chr(256 + i) for i in range(256 - len(printable))]


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP tokenizer that knows the bytes and nothing else, so that it reads every text."""
    folder = tmp_path_factory.mktemp("tokenizer")
    letters = _byte_alphabet()
    pieces = [*letters, *(f"{c}</w>" for c in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({piece: i for i, piece in enumerate(pieces)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "pad_token": "<|endoftext|>"})
    )
    return folder


def _text_encoder(folder: Path, *, hidden: int, projection: int | None = None) -> torch.nn.Module:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=514,
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=2,
        num_attention_heads=2,
        projection_dim=projection or hidden,
        bos_token_id=512,
        eos_token_id=513,
        pad_token_id=513,
    )
    return (CLIPTextModelWithProjection if projection else CLIPTextModel)(config)


def _vae() -> torch.nn.Module:
    from diffusers import AutoencoderKL

    vae = AutoencoderKL(
        block_out_channels=(8, 16),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=4,
        latent_channels=4,
        sample_size=16,
    )
    with torch.no_grad():  # at random, images hardly show in latents, nor latents in pictures
        vae.encoder.conv_out.weight[:4] *= 8
        vae.decoder.conv_out.weight *= 2
    return vae


def _unet(context_dim: int, **options: object) -> torch.nn.Module:
    from diffusers import UNet2DConditionModel

    shape = {
        "sample_size": 8,
        "block_out_channels": (16, 32),
        "layers_per_block": 1,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "cross_attention_dim": context_dim,
        "attention_head_dim": 2,
        "norm_num_groups": 8,
    }
    unet = UNet2DConditionModel(**(shape | options))
    with torch.no_grad():  # at random, prompts hardly show
        for name, weight in unet.named_parameters():
            if "attn2.to_v" in name:
                weight *= 3
    return unet


def _scheduler(cls: str = "DDIMScheduler", **options: object) -> object:
    import diffusers

    return getattr(diffusers, cls)(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        clip_sample=False,
        steps_offset=1,
        **options,
    )


@pytest.fixture(scope="session")
def make_sd(tmp_path_factory: pytest.TempPathFactory, tokenizer_folder: Path) -> Callable[..., Path]:
    """make_sd(prediction_type, scheduler=..., **unet) -> folder of a tiny model of the SD1 shape."""

    def make(
        prediction_type: str = "epsilon", *, scheduler: dict[str, object] | None = None, **unet: object
    ) -> Path:
        from diffusers import StableDiffusionPipeline
        from transformers import CLIPTokenizer

        torch.manual_seed(0)
        pipe = StableDiffusionPipeline(
            unet=_unet(24, **unet),
            vae=_vae(),
            text_encoder=_text_encoder(tokenizer_folder, hidden=24),
            tokenizer=CLIPTokenizer.from_pretrained(tokenizer_folder),
            scheduler=_scheduler(prediction_type=prediction_type, **scheduler or {}),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        folder = tmp_path_factory.mktemp(f"sd-{prediction_type}")
        pipe.save_pretrained(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def sd_folder(make_sd: Callable[..., Path]) -> Path:
    return make_sd()


@pytest.fixture(scope="session")
def inpaint_folder(make_sd: Callable[..., Path]) -> Path:
    """Of the shape of stable-diffusion-inpainting: latent, mask, latent of the masked image."""
    return make_sd(in_channels=9)


@pytest.fixture(scope="session")
def edit_folder(make_sd: Callable[..., Path]) -> Path:
    """Of the shape of instruct-pix2pix: latent, latent of the image."""
    return make_sd(in_channels=8)


@pytest.fixture(scope="session")
def lcm_folder(make_sd: Callable[..., Path]) -> Path:
    """Of the shape of LCM_Dreamshaper: takes the guidance scale as an input."""
    return make_sd(time_cond_proj_dim=32, scheduler={"cls": "LCMScheduler"})


@pytest.fixture(scope="session")
def make_sdxl(tmp_path_factory: pytest.TempPathFactory, tokenizer_folder: Path) -> Callable[..., Path]:
    """make_sdxl(**unet) -> folder of a tiny model of SDXL's shape."""

    def make(**unet: object) -> Path:
        from diffusers import StableDiffusionXLPipeline
        from transformers import CLIPTokenizer

        torch.manual_seed(0)
        shape = {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 8,
            "transformer_layers_per_block": (1, 2),
            "projection_class_embeddings_input_dim": 6 * 8 + 16,
            "use_linear_projection": True,
        }
        pipe = StableDiffusionXLPipeline(
            unet=_unet(24 + 16, **(shape | unet)),
            vae=_vae(),
            text_encoder=_text_encoder(tokenizer_folder, hidden=24),
            text_encoder_2=_text_encoder(tokenizer_folder, hidden=16, projection=16),
            tokenizer=CLIPTokenizer.from_pretrained(tokenizer_folder),
            tokenizer_2=CLIPTokenizer.from_pretrained(tokenizer_folder),
            scheduler=_scheduler(),
            force_zeros_for_empty_prompt=True,
            add_watermarker=False,
        )
        folder = tmp_path_factory.mktemp("sdxl")
        pipe.save_pretrained(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def sdxl_folder(make_sdxl: Callable[..., Path]) -> Path:
    return make_sdxl()


@pytest.fixture(scope="module")
def loaded_sd(sd_folder: Path) -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained(sd_folder, device="cpu")


@pytest.fixture
def sd(loaded_sd: TextToImagePipeline) -> Iterator[TextToImagePipeline]:
    """A pipeline of the SD1 shape, which every test leaves as it found it."""
    before = weights(loaded_sd)
    yield loaded_sd
    loaded_sd.unload_lora()
    assert_equal(weights(loaded_sd), before)
