"""Reads the folder of a BLIP as transformers saves it; nothing in it can run code, hang or be left out."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from limelight.attention.adapters.written_out import adopt
from limelight.attention.registry import get
from limelight.files import UnreadableFile, read_json, require_regular_files
from limelight.pipeline.describer.pixels import Preprocessing
from limelight.pipeline.errors import ModelError
from limelight.unet.weights.find import PICKLE_SUFFIXES
from limelight.unet.weights.tensors import content_hash

CAPTIONS, QUESTIONS = "BlipForConditionalGeneration", "BlipForQuestionAnswering"
SUPPORTED = f"a describer is `default`, or a BLIP for captions ({CAPTIONS}) or for questions ({QUESTIONS})"


@dataclass(frozen=True, slots=True)
class Blip:
    """The parts of a folder.

    Attributes:
        hash: of the content of the weights.
    """

    model: Any
    tokenizer: Any
    preprocessing: Preprocessing
    hash: str


def read_blip(folder: Path, *, backend: str | None = None) -> Blip:
    """A BLIP for captions or questions, in evaluation, with our attention.

    Raises:
        ModelError: the folder holds none, or one that is not complete.
        UnknownBackend: no backend has that name.
    """
    if backend is not None:
        get(backend)
    architecture = architecture_of(folder)
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        pickles = [path.name for path in sorted(folder.iterdir()) if path.suffix in PICKLE_SUFFIXES]
        has = f"only {pickles[0]}, a pickle, which can run code when it is read" if pickles else "none"
        raise ModelError(
            f"{folder} has no weights as .safetensors, but {has}; save the model with save_pretrained"
        )
    try:
        require_regular_files(folder)
    except UnreadableFile as error:
        raise ModelError(str(error)) from None
    model = _model(folder, architecture)
    tokenizer = _tokenizer(folder, model)
    side = model.config.vision_config.image_size
    adopt(model, backend=backend)
    return Blip(model, tokenizer, Preprocessing.read(folder, side), content_hash(weights))


def architecture_of(folder: Path) -> str:
    """The class of transformers whose weights a folder has. Raises ModelError if that is no BLIP that
    writes."""
    try:
        config = read_json(folder / "config.json")
    except FileNotFoundError:
        is_image_model = (folder / "model_index.json").exists()
        has = "is an image model in diffusers layout" if is_image_model else "has no config.json"
        raise ModelError(f"{folder} {has}; {SUPPORTED}") from None
    except UnreadableFile as error:
        raise ModelError(str(error)) from None
    if not isinstance(config, Mapping):
        raise ModelError(f"{folder / 'config.json'} holds no configuration; must be a JSON object")
    kind, named = config.get("model_type"), config.get("architectures")
    names = named if isinstance(named, list) else []
    if kind != "blip":
        raise ModelError(f"{folder} holds a model of type {kind!r}; {SUPPORTED}")
    found = next((name for name in names if name in (CAPTIONS, QUESTIONS)), None)
    if found is None:
        raise ModelError(
            f"{folder} holds a BLIP of architectures {named!r}, which writes nothing; {SUPPORTED}"
        )
    return found


def _model(folder: Path, architecture: str) -> Any:
    import transformers
    from safetensors import SafetensorError

    try:
        model, report = getattr(transformers, architecture).from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
    except (OSError, ValueError, TypeError, RuntimeError, ZeroDivisionError, SafetensorError) as error:
        raise ModelError(f"{folder} holds no {architecture} that can be loaded: {error}") from None
    if missing := sorted(report["missing_keys"]):
        raise ModelError(
            f"{folder} lacks {len(missing)} weights of {architecture}, such as {missing[0]}; needs all"
        )
    for name, weight in model.named_parameters():
        if not weight.isfinite().all():
            raise ModelError(f"{folder}: {name!r} has NaN or infinity; needs finite weights")
    return model.eval()


def _tokenizer(folder: Path, model: Any) -> Any:
    from transformers import AutoTokenizer

    if not any((folder / name).exists() for name in ("tokenizer.json", "vocab.txt")):
        raise ModelError(f"{folder} has neither tokenizer.json nor vocab.txt; save the processor there too")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{folder}: the tokenizer cannot be loaded: {error}") from None
    config = model.config.text_config
    if not tokenizer.is_fast:
        raise ModelError(
            f"{folder}: {type(tokenizer).__name__} does not say where tokens are; needs tokenizer.json"
        )
    if len(tokenizer) > config.vocab_size:
        raise ModelError(
            f"{folder}: the tokenizer has {len(tokenizer)} tokens; the model reads {config.vocab_size}"
        )
    for name in ("bos_token_id", "sep_token_id"):
        id = getattr(config, name)
        if not isinstance(id, int) or not 0 <= id < config.vocab_size:
            raise ModelError(f"{folder}: {name} is {id}; must be below vocab_size, {config.vocab_size}")
    return tokenizer
