"""Finds the parts of a checkpoint in one file, and tells its family from its U-Net."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ModelError
from pipeline.families import FAMILIES, Family, SingleFile, TextKind
from pipeline.single_file import text, vae
from pipeline.single_file.foreign import kind_of
from unet import UNetConfigError
from unet.original_config import attends_at_the_bottom, has_linear_projection
from unet.weights import TensorEntry

Entries = Mapping[str, TensorEntry]

UNET = "model.diffusion_model."
# What training leaves in a file, and markers that other modules read.
_LEFT_OUT = (
    *(
        "model_ema.",
        "betas",
        "alphas_cumprod",
        "sqrt_",
        "log_one_minus",
        "posterior_",
        "logvar",
        "lvlb_weights",
    ),
    *("scale_factor", "denoiser.", "global_step", "v_pred", "ztsnr"),
)
_LEFT_OUT_ENDINGS = (".logit_scale", ".text_projection", ".position_ids")


class UnusedWeights(UserWarning):
    """A checkpoint holds weights beside its parts; the message names the first."""


@dataclass(frozen=True, slots=True)
class TextPart:
    """One text encoder: its kind and what lies under its prefix, named without it."""

    kind: TextKind
    entries: Entries


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a checkpoint, each named without its prefix."""

    family: Family
    facts: SingleFile
    unet: Entries
    vae: Entries
    text: tuple[TextPart, ...]


def find_parts(path: Path, entries: Entries) -> Parts:
    """The parts of the checkpoint in `path`.

    Raises:
        ModelError: it is something else, or a part is missing.

    Warns:
        UnusedWeights: there is something beside the parts.
    """
    unet = _under(UNET, entries)
    family = _family(path, entries, unet)
    facts = family.single_file
    assert facts is not None
    latents = {name: e for name, e in _under(vae.PREFIX, entries).items() if not vae.is_left_out(name)}
    texts = {prefix: _under(prefix, entries) for prefix in text.PREFIXES}
    found = [prefix for prefix, its in texts.items() if its]

    missing = [] if latents else [f"its VAE ({vae.PREFIX}*)"]
    if tuple(text.PREFIXES[prefix] for prefix in found) != facts.text:
        encoders = f"its {' and '.join(facts.text)} text encoder{'s' * (len(facts.text) > 1)}"
        missing.append(f"{encoders} (found: {', '.join(f'{prefix}*' for prefix in found) or 'none'})")
    if missing:
        raise ModelError(
            f"{path} is a {family.name} checkpoint without {' and without '.join(missing)}; "
            f"needs U-Net, VAE and text encoders in one file. {_first_keys(entries)}"
        )
    _warn_of_the_rest(path, entries, (UNET, vae.PREFIX, *found))
    parts = tuple(TextPart(text.PREFIXES[prefix], texts[prefix]) for prefix in found)
    return Parts(family, facts, unet, latents, parts)


def _family(path: Path, entries: Entries, unet: Entries) -> Family:
    """The family whose U-Nets are built like this one."""
    shapes = {name: entry.shape for name, entry in unet.items()}
    try:
        linear, bottom = has_linear_projection(shapes), attends_at_the_bottom(shapes)
    except UNetConfigError:
        kind, remedy = kind_of(entries)
        raise ModelError(
            f"{path} is {kind}; needs a whole checkpoint of a known family "
            f"({', '.join(family.name for family in FAMILIES if family.single_file)}): U-Net, VAE and text "
            f"encoders in one file{f' (or {remedy})' if remedy else ''}. {_first_keys(entries)}"
        ) from None
    added = "label_emb.0.0.weight" in unet
    for family in FAMILIES:
        facts = family.single_file
        if facts is not None and (facts.linear_projection, facts.added) == (linear, added):
            if facts.attends_at_the_bottom in (None, bottom):
                return family
    raise ModelError(
        f"{path} holds a U-Net of no known family (linear projections: {linear}, added conditioning: "
        f"{added}, attention at the lowest level: {bottom}). {_first_keys(entries)}"
    )


def _under(prefix: str, entries: Entries) -> dict[str, TensorEntry]:
    return {name.removeprefix(prefix): entry for name, entry in entries.items() if name.startswith(prefix)}


def _first_keys(entries: Entries) -> str:
    return f"The first of {len(entries):,} keys: {', '.join(sorted(entries)[:5])}"


def _warn_of_the_rest(path: Path, entries: Entries, prefixes: tuple[str, ...]) -> None:
    rest = sorted(
        name
        for name in entries
        if not name.startswith((*prefixes, *_LEFT_OUT)) and not name.endswith(_LEFT_OUT_ENDINGS)
    )
    if rest:
        warnings.warn(
            f"{path} holds {len(rest):,} weights that belong to no part and have no effect, the first "
            f"{min(5, len(rest))}: {', '.join(rest[:5])}",
            UnusedWeights,
            stacklevel=2,
        )
