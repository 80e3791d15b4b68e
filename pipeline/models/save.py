"""Saves a model as a plain folder in diffusers layout."""

import json
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from limelight.pipeline.enlarging.load import FOLDER as ENLARGER
from limelight.pipeline.errors import ModelError, OutputError
from limelight.pipeline.models.model import Model
from limelight.unet.config.write_diffusers import describe
from limelight.unet.weights.find import DIFFUSERS_STEM

_PIPELINES = {  # by the number of input channels in addition to the latent's
    0: "StableDiffusionPipeline",
    4: "StableDiffusionInstructPix2PixPipeline",
    5: "StableDiffusionInpaintPipeline",
}
_XL_PIPELINES = {0: "StableDiffusionXLPipeline", 5: "StableDiffusionXLInpaintPipeline"}


_ALONG = ("vocabulary.json", "near.json", "README.md", "LICENSE*", f"{ENLARGER}/*")  # of the model's folder


def save_model(model: Model, folder: Path) -> Path:
    """Writes `model` as it is in memory: weights, configurations, tokenizers, the best maps. Its words, its
    licences, its card and its own enlarger are copied; an enlarger from another file is not.

    Raises:
        OutputError: `folder` is not empty, or cannot be written to.
        ModelError: diffusers has no pipeline for such a model.
    """
    index = _index(model)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} exists and is no empty folder; give a new one")
    scratch = folder.parent / f".{folder.name}.{secrets.token_hex(8)}.tmp"
    try:
        scratch.mkdir(parents=True)
        _write(model, index, scratch)
        follow_umask(scratch, as_is=scratch / "model_index.json")
        os.replace(scratch, folder)  # replaces an empty folder
    except OSError as error:
        raise OutputError(f"cannot write {folder}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder.resolve()


def follow_umask(folder: Path, *, as_is: Path) -> None:
    """Gives the weights in a folder the mode of another file in it, because safetensors lets only the owner
    read what it writes."""
    for path in folder.rglob("*.safetensors"):
        path.chmod(as_is.stat().st_mode)


def _write(model: Model, index: Mapping[str, Any], folder: Path) -> None:
    for name, encoder in zip(_text_names(model), model.text.encoders, strict=True):
        _write_text_model(encoder.model, folder / name)
        encoder.tokenizer.save_pretrained(folder / name.replace("text_encoder", "tokenizer"))
    model.vae.save_pretrained(folder / "vae")
    (folder / "unet").mkdir()
    _write_weights(model.unet.state_dict(), folder / "unet" / f"{DIFFUSERS_STEM}.safetensors")
    _write_json(describe(model.unet.config), folder / "unet" / "config.json")
    (folder / "scheduler").mkdir()
    _write_json(model.scheduler_config, folder / "scheduler" / "scheduler_config.json")
    _write_json(index, folder / "model_index.json")
    if model.best_maps.heads:
        model.best_maps.write(folder)
    if model.folder is not None:
        _copy_along(model.folder, folder)


def _copy_along(source: Path, folder: Path) -> None:
    if not source.is_dir():
        raise OutputError(
            f"{source}, which the model was loaded from, is gone; put it back to save the model"
        )
    for pattern in _ALONG:
        for path in filter(Path.is_file, source.glob(pattern)):
            copy = folder / path.relative_to(source)
            copy.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, copy)


def _write_text_model(module: Any, folder: Path) -> None:
    """Writes a text encoder as transformers does, without a progress bar and with names that all versions
    read."""
    folder.mkdir()
    state = {
        name if name.startswith(("text_model.", "text_projection.")) else f"text_model.{name}": weight
        for name, weight in module.state_dict().items()
    }
    _write_weights(state, folder / "model.safetensors")
    config = module.config.to_dict() | {"architectures": [type(module).__name__]}
    _write_json(config, folder / "config.json")


def _write_weights(state: Mapping[str, Tensor], path: Path) -> None:
    save_file({name: weight.contiguous() for name, weight in state.items()}, path, metadata={"format": "pt"})


def _index(model: Model) -> dict[str, Any]:
    config = model.unet.config
    extra = config.in_channels - model.vae.config.latent_channels
    pipelines = _PIPELINES if config.added is None else _XL_PIPELINES
    if extra not in pipelines:
        raise ModelError(
            f"the U-Net takes {config.in_channels} channels; diffusers has pipelines for "
            f"{', '.join(str(model.vae.config.latent_channels + n) for n in pipelines)}"
        )
    index: dict[str, Any] = {
        "_class_name": pipelines[extra],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "scheduler": ["diffusers", str(model.scheduler_config["_class_name"])],
        "feature_extractor": [None, None],
        "image_encoder": [None, None],
    }
    for name, encoder in zip(_text_names(model), model.text.encoders, strict=True):
        index[name] = ["transformers", type(encoder.model).__name__]
        index[name.replace("text_encoder", "tokenizer")] = ["transformers", "CLIPTokenizer"]
    if config.added is not None:
        index["force_zeros_for_empty_prompt"] = model.text.zero_empty_negative
        if len(model.text.encoders) == 1:  # SDXL's refiner, which takes a picture
            index |= {"text_encoder": [None, None], "tokenizer": [None, None]}
            index |= {"_class_name": "StableDiffusionXLImg2ImgPipeline", "requires_aesthetics_score": True}
        return index
    return index | {"safety_checker": [None, None], "requires_safety_checker": False}


def _text_names(model: Model) -> list[str]:
    """The names of the text encoders; SDXL's refiner has only the second."""
    if model.unet.config.added is not None and len(model.text.encoders) == 1:
        return ["text_encoder_2"]
    return ["text_encoder", "text_encoder_2"][: len(model.text.encoders)]


def _write_json(content: Mapping[str, Any], path: Path) -> None:
    path.write_text(json.dumps(dict(content), indent=2) + "\n", encoding="utf-8")
