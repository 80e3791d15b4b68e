"""Builds the parts of a single-file checkpoint on the meta device, with the locations of their weights."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from limelight.pipeline.errors import ModelError
from limelight.pipeline.models.autoencoder import autoencoder_class
from limelight.pipeline.models.single_file.parts import Entries, Parts
from limelight.pipeline.models.single_file.text import text_config, text_weights
from limelight.pipeline.models.single_file.tokenizer import NUM_TOKENS
from limelight.pipeline.models.single_file.vae import vae_config, vae_weights
from limelight.unet import DeepCacheUNet, UNetConfig, UNetConfigError
from limelight.unet.config.from_shapes import Unshaped, config_of
from limelight.unet.weights.load import parameters_on_meta
from limelight.unet.weights.original_names import original_names
from limelight.unet.weights.tensors import Place


@dataclass(frozen=True, slots=True)
class Built:
    """A module on the meta device, and the location of each of its weights."""

    module: Any
    places: dict[str, Place]


def unet_config(path: Path, parts: Parts) -> UNetConfig:
    """The config of the U-Net, with its family's sample size for noise prediction.

    Raises:
        ModelError: this package cannot build it, or the text encoders do not fit it.
    """
    facts = parts.facts
    encoders = [text_config(_text_weights(parts, i), part.kind) for i, part in enumerate(parts.text)]
    unshaped = Unshaped(
        sample_size=facts.sample_size["epsilon"],
        num_heads=facts.num_heads,
        head_dim=facts.head_dim,
        size_embed_dim=_size_embed_dim(path, parts, encoders[-1]["projection_dim"]) if facts.added else None,
    )
    try:
        config = config_of({name: entry.shape for name, entry in parts.unet.items()}, unshaped)
    except UNetConfigError as error:
        raise ModelError(f"{path}: {error}") from None
    width = sum(encoder["hidden_size"] for encoder in encoders)
    if width != config.context_dim:
        raise ModelError(
            f"{path}: the text encoders give {width} features; its U-Net takes {config.context_dim}. "
            "They are of different models"
        )
    return config


def build_unet(path: Path, parts: Parts, config: UNetConfig) -> Built:
    with parameters_on_meta():
        unet = DeepCacheUNet(config)
    names = original_names(config, unet.state_dict())
    return Built(unet, {names.get(name, name): (path, entry) for name, entry in parts.unet.items()})


def build_vae(path: Path, parts: Parts, latent_size: int) -> Built:

    config = vae_config(parts.vae, latent_size=latent_size, scaling_factor=parts.facts.scaling_factor)
    with parameters_on_meta():
        vae = autoencoder_class().from_config(config)
    return Built(vae, _at(path, vae_weights(parts.vae)))


def build_text(path: Path, parts: Parts, index: int) -> Built:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection
    from transformers.initialization import no_init_weights

    weights = _text_weights(parts, index)
    config = text_config(weights, parts.text[index].kind)
    if config["vocab_size"] != NUM_TOKENS:
        raise ModelError(
            f"{path}: a text encoder knows {config['vocab_size']:,} tokens; CLIP has {NUM_TOKENS:,}"
        )
    cls = CLIPTextModelWithProjection if _projects(parts, index) else CLIPTextModel
    with parameters_on_meta(), no_init_weights():
        model: nn.Module = cls(CLIPTextConfig(**config))
    names = model.state_dict().keys()
    named = {name if name in names else f"text_model.{name}": entry for name, entry in weights.items()}
    return Built(model, _at(path, named))


def _text_weights(parts: Parts, index: int) -> Entries:
    part, layers = parts.text[index], parts.facts.text_layers
    return text_weights(part.entries, part.kind, num_layers=layers, projects=_projects(parts, index))


def _projects(parts: Parts, index: int) -> bool:
    """Whether the U-Net takes this encoder's pooled text."""
    return parts.facts.added and index == len(parts.text) - 1


def _size_embed_dim(path: Path, parts: Parts, pooled_dim: int) -> int:
    """Features of each embedded size: the added conditioning without the pooled text, divided by the
    sizes."""
    entry = parts.unet["label_emb.0.0.weight"]
    rest = entry.shape[-1] - pooled_dim
    if rest <= 0 or rest % parts.facts.num_sizes:
        raise ModelError(
            f"{path}: its U-Net takes {entry.shape[-1]} added features; {pooled_dim} of pooled text leave "
            f"{rest}, which is not {parts.facts.num_sizes} sizes"
        )
    return rest // parts.facts.num_sizes


def _at(path: Path, entries: Entries) -> dict[str, Place]:
    return {name: (path, entry) for name, entry in entries.items()}
