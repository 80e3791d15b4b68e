"""Loads a model strictly from a folder in diffusers layout."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from limelight.pipeline.enlarging.load import own_enlarger
from limelight.pipeline.errors import ModelError
from limelight.pipeline.families import Family, family_of
from limelight.pipeline.memory import free_bytes
from limelight.pipeline.models.best_maps import BestMaps
from limelight.pipeline.models.configs.index import read_index, tokenizer_of
from limelight.pipeline.models.configs.scheduler import read_scheduler_config
from limelight.pipeline.models.configs.text import read_text_config
from limelight.pipeline.models.configs.tokenizer import read_tokenizer
from limelight.pipeline.models.content_hash import ContentHash
from limelight.pipeline.models.model import Model, kind_of, num_size_ids
from limelight.pipeline.models.vae_file import find_vae
from limelight.pipeline.text.clip_encoder import ClipEncoder
from limelight.pipeline.text.encoder import TextEncoder
from limelight.pipeline.text.vocabulary import Vocabulary
from limelight.unet import DeepCacheUNet, UNetConfig, optimize
from limelight.unet.config.read_diffusers import read_config
from limelight.unet.weights.find import find_weights
from limelight.unet.weights.header import read_header
from limelight.unet.weights.load import load_places, load_strict, parameters_on_meta


def load_model(
    folder: Path,
    *,
    name: str,
    device: torch.device,
    dtype: torch.dtype,
    variant: str | None = None,
    vae: Path | None = None,
    exact: bool = False,
) -> Model:
    """The model in `folder`; every weight is loaded or refused.

    Nothing is built before the headers of all files have been checked.

    Args:
        variant: as in `diffusion_pytorch_model.fp16.safetensors`; None takes the plain files, or the only
            variant.
        vae: the folder or file of another VAE, which replaces the model's own.
        exact: as in `optimize`.

    Raises:
        ModelError: a part is missing or of a class that is not supported.
        WeightsError: a weight file is truncated, not safetensors, or does not fit its part.
    """
    index = read_index(folder, has_vae=vae is None)
    unet_files = _weight_files(folder / "unet", variant)
    text_files = [file for part in index.text_parts for file in _weight_files(folder / part, variant)]
    for file in (*unet_files, *text_files):
        read_header(file)

    unet_config = read_config(folder / "unet")
    texts = {part: read_text_config(folder / part / "config.json") for part in index.text_parts}
    family = family_of(unet_config.context_dim, len(texts), added=unet_config.added is not None)
    _check_text(folder, unet_config, list(texts.values()))
    found, vae_files = find_vae(
        vae or folder / "vae", latent_size=64, scaling_factor=_scaling_factor(family), variant=variant
    )
    kind_of(unet_config.in_channels, found.module.config.latent_channels)
    scheduler_config = read_scheduler_config(folder / "scheduler" / "scheduler_config.json")
    vocabulary = Vocabulary.read(folder)
    tokenizers = {
        part: read_tokenizer(folder / tokenizer_of(part), num_embeddings=config["vocab_size"])
        for part, config in texts.items()
    }
    load_places(found.module, found.places, dtype=dtype, device=device)
    unet = DeepCacheUNet.from_pretrained(folder / "unet", dtype=dtype, device=device, variant=variant)
    unet = optimize(unet, free_memory=free_bytes(), exact=exact)
    return Model(
        name=name,
        family=family,
        unet=unet,
        vae=found.module.eval(),
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
        hash=ContentHash([*unet_files, *vae_files, *text_files]),
        vocabulary=vocabulary,
        best_maps=BestMaps.read(folder, unet.sites),
        enlarger=own_enlarger(folder, device),
        folder=folder,
    )


def _check_text(folder: Path, unet: UNetConfig, texts: Sequence[Mapping[str, Any]]) -> None:
    """Raises ModelError unless the text encoders and the U-Net fit together."""
    width = sum(text["hidden_size"] for text in texts)
    if width != unet.context_dim:
        raise ModelError(
            f"{folder}: the text encoders give {width} features; its U-Net takes {unet.context_dim}. "
            "They are of different models"
        )
    if unet.added is not None:
        num_size_ids(unet, texts[-1]["projection_dim"])


def _scaling_factor(family: Family) -> float:
    return family.single_file.scaling_factor if family.single_file is not None else 0.18215


def _stem(part: Path) -> str:
    return "model" if part.name.startswith("text_encoder") else "diffusion_pytorch_model"


def _weight_files(part: Path, variant: str | None) -> list[Path]:
    return list(find_weights(part, stem=_stem(part), variant=variant))


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
