"""Loads a model strictly from a folder in diffusers layout."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from limelight.pipeline.errors import ModelError
from limelight.pipeline.families import Family, family_of
from limelight.pipeline.memory import free_bytes
from limelight.pipeline.models.autoencoder import autoencoder_class
from limelight.pipeline.models.best_maps import BestMaps
from limelight.pipeline.models.content_hash import ContentHash
from limelight.pipeline.models.model import Model, kind_of
from limelight.pipeline.text.clip_encoder import ClipEncoder
from limelight.pipeline.text.encoder import TextEncoder
from limelight.pipeline.text.vocabulary import Vocabulary
from limelight.unet import DeepCacheUNet, optimize
from limelight.unet.weights.find import find_weights
from limelight.unet.weights.header import read_header
from limelight.unet.weights.load import load_strict, parameters_on_meta

_TEXT_MODELS = {"CLIPTextModel", "CLIPTextModelWithProjection"}


def load_model(
    folder: Path, *, name: str, device: torch.device, dtype: torch.dtype, variant: str | None = None
) -> Model:
    """The model in `folder`, with every weight accounted for.

    Nothing is built before the header of every file is found right.

    Args:
        variant: as in `diffusion_pytorch_model.fp16.safetensors`.

    Raises:
        ModelError: a part is missing or of a class that is not supported.
        WeightsError: a weight file is truncated, not safetensors, or does not fit its part.
    """
    index = _read_json(folder / "model_index.json")
    text_parts = [part for part in ("text_encoder", "text_encoder_2") if _is_named(index, part)]
    parts = ["unet", "vae", *text_parts]
    _check_parts(folder, index, parts, text_parts)
    files = [file for part in parts for file in _weight_files(folder / part, variant)]
    for file in files:
        read_header(file)

    unet_config = _read_json(folder / "unet" / "config.json")
    family = family_of(unet_config, len(text_parts))
    if len(text_parts) != family.num_text_encoders:
        raise ModelError(
            f"{folder} has {len(text_parts)} text encoders; "
            f"a {family.name} model has {family.num_text_encoders}"
        )
    vae_config = _read_json(folder / "vae" / "config.json")
    kind_of(unet_config.get("in_channels", 4), vae_config.get("latent_channels", 4))
    unet = optimize(
        DeepCacheUNet.from_pretrained(folder / "unet", dtype=dtype, device=device, variant=variant),
        free_memory=free_bytes(),
    )
    return Model(
        name=name,
        family=family,
        unet=unet,
        vae=_load_vae(folder / "vae", dtype, device, variant),
        text=TextEncoder(
            [_load_clip(folder, part, family, dtype, device, variant) for part in text_parts],
            zero_empty_negative=bool(index.get("force_zeros_for_empty_prompt", False)),
        ),
        scheduler_config=_read_json(folder / "scheduler" / "scheduler_config.json"),
        hash=ContentHash(files),
        vocabulary=Vocabulary.read(folder),
        best_maps=BestMaps.read(folder, unet.sites),
    )


def _is_named(index: Mapping[str, Any], part: str) -> bool:
    return index.get(part, [None, None])[1] is not None


def _check_parts(folder: Path, index: Mapping[str, Any], parts: list[str], text_parts: list[str]) -> None:
    if not text_parts:
        raise ModelError(
            f"{folder / 'model_index.json'} names no text_encoder; a text-to-image model has one"
        )
    expected = {"unet": {"UNet2DConditionModel"}, "vae": {"AutoencoderKL"}} | dict.fromkeys(
        text_parts, _TEXT_MODELS
    )
    for part in parts:
        cls = index.get(part, [None, None])[1]
        if cls not in expected[part]:
            raise ModelError(f"{folder}: {part} is a {cls}; supported: {', '.join(sorted(expected[part]))}")
    for part in [*parts, "scheduler", *(p.replace("text_encoder", "tokenizer") for p in text_parts)]:
        if not (folder / part).is_dir():
            raise ModelError(f"{folder} has no folder {part!r}; model_index.json names it")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{path} does not exist; a model folder in diffusers layout has it") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(values, dict):
        raise ModelError(f"{path} holds a {type(values).__name__}; must be an object")
    return values


def _stem(part: Path) -> str:
    return "model" if part.name.startswith("text_encoder") else "diffusion_pytorch_model"


def _weight_files(part: Path, variant: str | None) -> list[Path]:
    return list(find_weights(part, stem=_stem(part), variant=variant))


def _load_vae(folder: Path, dtype: torch.dtype, device: torch.device, variant: str | None) -> Any:

    with parameters_on_meta():
        vae = autoencoder_class().from_config(_read_json(folder / "config.json"))
    load_strict(vae, _weight_files(folder, variant), dtype=dtype, device=device, rename=_vae_name)
    return vae.eval()


def _vae_name(name: str) -> str:
    """A VAE weight's name today; folders from before 2023 have other names in the attention layers."""
    if ".attentions." in name:
        for old, new in (("query", "to_q"), ("key", "to_k"), ("value", "to_v"), ("proj_attn", "to_out.0")):
            name = name.replace(f".{old}.", f".{new}.")
    return name


def _load_clip(
    folder: Path, part: str, family: Family, dtype: torch.dtype, device: torch.device, variant: str | None
) -> ClipEncoder:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

    config = CLIPTextConfig.from_dict(_read_json(folder / part / "config.json"))
    with parameters_on_meta():
        model = (CLIPTextModelWithProjection if part == "text_encoder_2" else CLIPTextModel)(config)
    names = model.state_dict().keys()

    def name_of(name: str) -> str | None:
        if name.endswith("embeddings.position_ids"):  # 0, 1, 2, ...; stored by old versions only
            return None
        return name if name in names else name.removeprefix("text_model.")

    load_strict(model, _weight_files(folder / part, variant), dtype=dtype, device=device, rename=name_of)
    tokenizer = CLIPTokenizer.from_pretrained(
        folder / part.replace("text_encoder", "tokenizer"), local_files_only=True
    )
    return ClipEncoder(tokenizer, model.eval(), penultimate=family.penultimate)
