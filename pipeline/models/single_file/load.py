"""Loads a single-file checkpoint. Everything is checked before the first weight is read."""

from dataclasses import replace
from pathlib import Path

import torch

from limelight.pipeline.memory import free_bytes
from limelight.pipeline.models.content_hash import ContentHash
from limelight.pipeline.models.model import Model, kind_of
from limelight.pipeline.models.single_file.build import build_text, build_unet, build_vae, unet_config
from limelight.pipeline.models.single_file.parts import Entries, find_parts
from limelight.pipeline.models.single_file.prediction import prediction_of, scheduler_config
from limelight.pipeline.models.single_file.text import padding
from limelight.pipeline.models.single_file.tokenizer import clip_tokenizer
from limelight.pipeline.models.vae_file import find_vae
from limelight.pipeline.text.clip_encoder import ClipEncoder
from limelight.pipeline.text.encoder import TextEncoder
from limelight.unet import optimize
from limelight.unet.weights.find import PICKLE_SUFFIXES
from limelight.unet.weights.header import (
    CONVERT,
    DamagedWeights,
    OtherFile,
    PickledWeights,
    TruncatedWeights,
    read_header_and_notes,
)
from limelight.unet.weights.load import check_places, load_places
from limelight.unet.weights.tensors import read_tensor


def load_single_file(
    path: Path,
    *,
    name: str,
    device: torch.device,
    dtype: torch.dtype | None = None,
    vae: Path | None = None,
    exact: bool = False,
) -> Model:
    """The model in a checkpoint in the original layout (LDM, sgm).

    Args:
        dtype: None keeps the dtypes of the file.
        vae: the folder or file of a VAE that replaces the checkpoint's own, or a missing one.
        exact: as in `optimize`.

    Raises:
        ModelError: it is no checkpoint of a known family, or a part is missing.
        WeightsError: it is damaged, truncated, no safetensors file, or a weight does not fit.
    """
    entries, notes = _header(path)
    parts = find_parts(path, entries, has_vae=vae is None)
    config = unet_config(path, parts)
    prediction = prediction_of(
        path, entries, notes, parts.family, config, lambda key: read_tensor(path, entries[key])
    )
    size = parts.facts.sample_size[prediction.type]
    unet = build_unet(path, parts, replace(config, sample_size=(size, size)))
    files = [path]
    if vae is None:
        latents = build_vae(path, parts, size)
    else:
        latents, more = find_vae(vae, latent_size=size, scaling_factor=parts.facts.scaling_factor)
        files += more
    kind_of(config.in_channels, latents.module.config.latent_channels)
    texts = [build_text(path, parts, i) for i in range(len(parts.text))]
    for built in (unet, latents, *texts):
        check_places(built.module, built.places)
    for built in (unet, latents, *texts):
        load_places(built.module, built.places, dtype=dtype, device=device)

    encoders = [
        ClipEncoder(
            clip_tokenizer(pad_token=padding(part.kind)),
            built.module.eval(),
            penultimate=parts.family.penultimate,
        )
        for part, built in zip(parts.text, texts, strict=True)
    ]
    return Model(
        name=name,
        family=parts.family,
        unet=optimize(unet.module.eval(), free_memory=free_bytes(), exact=exact),
        vae=latents.module.eval(),
        text=TextEncoder(encoders, zero_empty_negative=parts.facts.zero_empty_negative),
        scheduler_config=scheduler_config(parts.facts, prediction),
        hash=ContentHash(files),
    )


def _header(path: Path) -> tuple[Entries, dict[str, str]]:
    """Reads the header. Raises PickledWeights also for a file with a pickle's suffix that is no
    safetensors."""
    try:
        return read_header_and_notes(path)
    except OtherFile:
        raise
    except TruncatedWeights as error:
        if error.found < 8:
            raise DamagedWeights(
                f"{path} has {error.found} bytes, and is no model; download it again"
            ) from None
        raise
    except DamagedWeights:
        if path.suffix.lower() in PICKLE_SUFFIXES:
            raise PickledWeights(f"{path} is named as a pickle, and is not opened; {CONVERT}") from None
        raise
