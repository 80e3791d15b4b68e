"""Loads a model strictly from a folder in diffusers layout."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from limelight.pipeline.errors import ModelError
from limelight.pipeline.families import family_of
from limelight.pipeline.models.configs.index import read_index, tokenizer_of
from limelight.pipeline.models.configs.scheduler import read_scheduler_config
from limelight.pipeline.models.configs.text import read_text_config
from limelight.pipeline.models.configs.tokenizer import read_tokenizer
from limelight.pipeline.models.configs.vae import read_vae_config
from limelight.pipeline.models.content_hash import ContentHash
from limelight.pipeline.models.model import Model, kind_of, num_size_ids
from limelight.pipeline.text.clip_encoder import ClipEncoder
from limelight.pipeline.text.encoder import TextEncoder
from limelight.pipeline.text.vocabulary import Vocabulary
from limelight.unet import UNet, UNetConfig, optimize
from limelight.unet.config.read_diffusers import read_config
from limelight.unet.weights.find import find_weights
from limelight.unet.weights.header import read_header
from limelight.unet.weights.load import load_strict, parameters_on_meta


def load_model(
    folder: Path,
    *,
    name: str,
    device: torch.device,
    dtype: torch.dtype,
    variant: str | None = None,
    exact: bool = False,
) -> Model:
    """The model in `folder`, with every weight accounted for.

    Nothing is built before the header of every file is found right.

    Args:
        variant: as in `diffusion_pytorch_model.fp16.safetensors`; None takes the plain files, or the only
            variant that there is.
        exact: as in `optimize`.

    Raises:
        ModelError: a part is missing or of a class that is not supported.
        WeightsError: a weight file is truncated, not safetensors, or does not fit its part.
    """
    index = read_index(folder)
    files = [file for part in index.parts for file in _weight_files(folder / part, variant)]
    for file in files:
        read_header(file)

    unet_config = read_config(folder / "unet")
    texts = {part: read_text_config(folder / part / "config.json") for part in index.text_parts}
    family = family_of(unet_config.context_dim, len(texts), added=unet_config.added is not None)
    _check_text(folder, unet_config, list(texts.values()))
    vae_config = read_vae_config(folder / "vae" / "config.json")
    kind_of(unet_config.in_channels, vae_config["latent_channels"])
    scheduler_config = read_scheduler_config(folder / "scheduler" / "scheduler_config.json")
    vocabulary = Vocabulary.read(folder)
    tokenizers = {
        part: read_tokenizer(folder / tokenizer_of(part), num_embeddings=config["vocab_size"])
        for part, config in texts.items()
    }
    unet = UNet.from_pretrained(folder / "unet", dtype=dtype, device=device, variant=variant)
    return Model(
        name=name,
        family=family,
        unet=optimize(unet, exact=exact),
        vae=_load_vae(folder / "vae", vae_config, dtype, device, variant),
        text=TextEncoder(
            [
                ClipEncoder(
                    tokenizers[part],
                    _load_clip(folder / part, config, dtype, device, variant),
                    penultimate=family.penultimate,
                )
                for part, config in texts.items()
            ],
            zero_empty_negative=index.zero_empty_negative,
        ),
        scheduler_config=scheduler_config,
        hash=ContentHash(files),
        vocabulary=vocabulary,
    )


def _check_text(folder: Path, unet: UNetConfig, texts: Sequence[Mapping[str, Any]]) -> None:
    """Raises ModelError unless the text encoders give what the U-Net takes."""
    width = sum(text["hidden_size"] for text in texts)
    if width != unet.context_dim:
        raise ModelError(
            f"{folder}: the text encoders give {width} features; its U-Net takes {unet.context_dim}. "
            "They are of different models"
        )
    if unet.added is not None:
        num_size_ids(unet, texts[-1]["projection_dim"])


def _stem(part: Path) -> str:
    return "model" if part.name.startswith("text_encoder") else "diffusion_pytorch_model"


def _weight_files(part: Path, variant: str | None) -> list[Path]:
    return list(find_weights(part, stem=_stem(part), variant=variant))


def _load_vae(
    folder: Path, config: Mapping[str, Any], dtype: torch.dtype, device: torch.device, variant: str | None
) -> Any:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    with parameters_on_meta():
        vae = AutoencoderKL.from_config(dict(config))
    load_strict(vae, _weight_files(folder, variant), dtype=dtype, device=device, rename=_vae_name)
    return vae.eval()


def _vae_name(name: str) -> str:
    """A VAE weight's name today; folders from before 2023 have other names in the attention layers."""
    if ".attentions." in name:
        for old, new in (("query", "to_q"), ("key", "to_k"), ("value", "to_v"), ("proj_attn", "to_out.0")):
            name = name.replace(f".{old}.", f".{new}.")
    return name


def _load_clip(
    folder: Path, config: Mapping[str, Any], dtype: torch.dtype, device: torch.device, variant: str | None
) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection
    from transformers.initialization import no_init_weights

    with parameters_on_meta(), no_init_weights():
        cls = CLIPTextModelWithProjection if folder.name == "text_encoder_2" else CLIPTextModel
        model = cls(CLIPTextConfig(**config))
    names = model.state_dict().keys()

    def name_of(name: str) -> str | None:
        if name.endswith("embeddings.position_ids"):  # 0, 1, 2, ...; stored by old versions only
            return None
        return name if name in names else name.removeprefix("text_model.")

    load_strict(model, _weight_files(folder, variant), dtype=dtype, device=device, rename=name_of)
    return model.eval()
