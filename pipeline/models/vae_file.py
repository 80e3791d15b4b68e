"""Loads a separate VAE from a folder or a file; it replaces a model's own VAE, or a missing one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from limelight.pipeline.errors import ModelError
from limelight.pipeline.models.autoencoder import autoencoder_class
from limelight.pipeline.models.configs.vae import check_vae_config, read_vae_config
from limelight.pipeline.models.single_file.build import Built
from limelight.pipeline.models.single_file.vae import PREFIX, is_left_out, vae_config, vae_weights
from limelight.unet.weights.find import find_weights
from limelight.unet.weights.header import TensorEntry, read_header
from limelight.unet.weights.load import check_places, parameters_on_meta
from limelight.unet.weights.tensors import Place


def find_vae(
    path: Path, *, latent_size: int, scaling_factor: float, variant: str | None = None
) -> tuple[Built, list[Path]]:
    """A VAE on the meta device, the checked locations of its weights, and the files that hold them.

    Args:
        path: a folder in diffusers layout, of a VAE or of a whole model, or a .safetensors file. The file may
            be in the original layout, alone or inside a checkpoint, or in diffusers' layout, next to its
            config.json.
        latent_size, scaling_factor: those of its model, since files in the original layout do not contain
            them.
        variant: as in `find_weights`.

    Raises:
        ModelError: there is no VAE.
        WeightsError: a file is damaged, or holds no VAE.
    """
    if path.is_dir():
        folder = path / "vae" if (path / "vae").is_dir() else path
        files = list(find_weights(folder, variant=variant))
        config = read_vae_config(folder / "config.json")
        entries = {name: (file, e) for file in files for name, e in read_header(file).items()}
        return _built(config, {vae_name(name): place for name, place in entries.items()}), files
    if not path.exists():
        raise ModelError(
            f"{path} does not exist; a VAE is a folder in diffusers layout or a .safetensors file"
        )
    found = read_header(path)
    named = {name.removeprefix(PREFIX): e for name, e in found.items() if name.startswith(PREFIX)} or found
    named = {name: entry for name, entry in named.items() if not is_left_out(name)}
    if "encoder.conv_in.weight" not in named:
        raise ModelError(f"{path} holds no VAE; the first of {len(found):,} keys: {', '.join([*found][:5])}")
    if any(name.startswith("encoder.down_blocks.") for name in named):
        config = read_vae_config(path.parent / "config.json")
        return _built(config, {vae_name(name): (path, e) for name, e in named.items()}), [path]
    config = vae_config(named, latent_size=latent_size, scaling_factor=scaling_factor)
    places = _at(path, vae_weights(named))
    return _built(check_vae_config(path, config), places), [path]


def vae_name(name: str) -> str:
    """The present name of a VAE's weight; folders from before 2023 have other names in attention layers."""
    if ".attentions." in name:
        for old, new in (("query", "to_q"), ("key", "to_k"), ("value", "to_v"), ("proj_attn", "to_out.0")):
            name = name.replace(f".{old}.", f".{new}.")
    return name


def _built(config: Mapping[str, Any], places: dict[str, Place]) -> Built:
    with parameters_on_meta():
        vae = autoencoder_class().from_config(dict(config))
    check_places(vae, places)
    return Built(vae, places)


def _at(path: Path, entries: Mapping[str, TensorEntry]) -> dict[str, Place]:
    return {name: (path, entry) for name, entry in entries.items()}
