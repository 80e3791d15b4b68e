"""Finds the parts of a single-file checkpoint, and derives its family from its U-Net."""

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from limelight.pipeline.errors import ModelError
from limelight.pipeline.families import FAMILIES, Family, SingleFile, TextKind
from limelight.pipeline.models.single_file import text, vae
from limelight.unet import UNetConfigError
from limelight.unet.config.from_shapes import attends_at_the_bottom, has_linear_projection
from limelight.unet.weights.header import TensorEntry

_LORA = "give it with --lora, together with a model"
_PART = "put it into a model's folder in diffusers layout, as {}/{}.safetensors"

# Type of file, remedy, and fragments of names. The first type with a fragment in any name is taken. Parts of
# a checkpoint come last, since other files contain some too.
_KINDS = (
    (
        "a LoRA, which changes a model and is none",
        _LORA,
        (".lora_up.", ".lora_down.", ".lora_A.", ".lora_B.", "lora_te"),
    ),
    ("a LyCORIS adapter, which changes a model and is none", _LORA, (".hada_w1_a", ".lokr_w1")),
    ("an OFT adapter, which changes a model and is none", "", (".oft_blocks",)),
    (
        "a textual inversion, which adds words to a model",
        "give it with --embedding, together with a model",
        ("emb_params", "clip_g", "clip_l"),
    ),
    ("a ControlNet", "", ("control_model.", "controlnet_cond_embedding.", "input_hint_block.")),
    ("an IP-Adapter", "", ("ip_adapter.", "image_proj.")),
    ("a Stable Diffusion 3 transformer", "", ("joint_blocks.",)),
    ("a Flux transformer", "", ("double_blocks.", "single_blocks.")),
    (
        "a U-Net alone, in diffusers' names",
        _PART.format("unet", "diffusion_pytorch_model"),
        ("down_blocks.0.resnets.0.time_emb_proj.",),
    ),
    ("a VAE alone", "", ("first_stage_model.",)),
    (
        "a VAE alone",
        _PART.format("vae", "diffusion_pytorch_model"),
        ("encoder.down_blocks.", "decoder.up_blocks."),
    ),
    ("a VAE alone", "", ("encoder.conv_in.", "decoder.conv_in.")),
    (
        "a text encoder alone",
        _PART.format("text_encoder", "model"),
        ("text_model.encoder.",),
    ),
    ("a text encoder alone", "", ("resblocks.", "cond_stage_model.", "conditioner.")),
)


def kind_of(names: Iterable[str]) -> tuple[str, str]:
    """The type of a file with tensors of these names, and how to use it; empty if it cannot be used."""
    names = list(names)
    if not names:
        return "an empty file", ""
    for kind, remedy, fragments in _KINDS:
        if any(fragment in name for name in names for fragment in fragments):
            return kind, remedy
    return "no checkpoint in the original layout", ""


Entries = Mapping[str, TensorEntry]

UNET = "model.diffusion_model."
# Leftovers of training, and markers that other modules read.
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
    """A checkpoint holds weights that belong to no part; the message names the first."""


@dataclass(frozen=True, slots=True)
class TextPart:
    """One text encoder: its type, and its tensors by their names without prefix."""

    kind: TextKind
    entries: Entries


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a checkpoint; tensors are named without their prefix."""

    family: Family
    facts: SingleFile
    unet: Entries
    vae: Entries
    text: tuple[TextPart, ...]


def find_parts(path: Path, entries: Entries, *, has_vae: bool = True) -> Parts:
    """The parts of the checkpoint in `path`.

    Args:
        has_vae: False if the VAE is elsewhere.

    Raises:
        ModelError: it is no checkpoint, or a part is missing.

    Warns:
        UnusedWeights: some weights belong to no part.
    """
    unet = _under(UNET, entries)
    family = _family(path, entries, unet)
    facts = family.single_file
    assert facts is not None
    latents = {name: e for name, e in _under(vae.PREFIX, entries).items() if not vae.is_left_out(name)}
    texts = {prefix: _under(prefix, entries) for prefix in text.PREFIXES}
    found = [prefix for prefix, its in texts.items() if its]

    missing = [] if latents or not has_vae else [f"its VAE ({vae.PREFIX}*; vae= names one of its own)"]
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
    """The family with U-Nets of this structure."""
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
