"""The text encoders of a single file: derives their transformers config from shapes, and maps their names.

SD1 and SDXL contain OpenAI's CLIP with transformers' names. SD2 and SDXL contain an OpenCLIP with its
original names.
"""

import re
from collections.abc import Mapping
from typing import Any

from limelight.pipeline.errors import ModelError
from limelight.pipeline.families import TextKind
from limelight.unet.weights.header import TensorEntry

# In the order SD1, SD2, then both with sgm's prefixes, which SDXL has.
PREFIXES: Mapping[str, TextKind] = {
    "cond_stage_model.transformer.": "clip",
    "cond_stage_model.model.": "open_clip",
    "conditioner.embedders.0.transformer.": "clip",
    "conditioner.embedders.0.model.": "open_clip",
    "conditioner.embedders.1.model.": "open_clip",
}
HEAD_DIM = 64  # of every CLIP text model
_ACTIVATION = {"clip": "quick_gelu", "open_clip": "gelu"}
_PADDING = {"clip": "<|endoftext|>", "open_clip": "!"}
_LEFT_OUT = ("embeddings.position_ids", "attn_mask", "logit_scale")  # no weights of the text model's
_OUTER = {
    "positional_embedding": "embeddings.position_embedding.weight",
    "token_embedding.weight": "embeddings.token_embedding.weight",
    "ln_final.weight": "final_layer_norm.weight",
    "ln_final.bias": "final_layer_norm.bias",
    "text_projection": "text_projection.weight",
    "text_projection.weight": "text_projection.weight",
}
_RESBLOCK = re.compile(r"transformer\.resblocks\.(\d+)\.(.+)")
_IN_LAYER = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
    "attn.out_proj": "self_attn.out_proj",
}


def text_weights(
    entries: Mapping[str, TensorEntry], kind: TextKind, *, num_layers: int | None, projects: bool
) -> dict[str, TensorEntry]:
    """The location of each weight of the transformers module, named without the prefix `text_model.`.

    Args:
        entries: the encoder's tensors, by their names without prefix.
        num_layers: layers from this index on are left out.
        projects: whether the module projects the pooled text; if not, the projection is left out too.
    """
    named = _of_open_clip(entries) if kind == "open_clip" else _of_clip(entries)
    return {
        name: entry
        for name, entry in named.items()
        if (projects or name != "text_projection.weight")
        and (num_layers is None or (_layer(name) or 0) < num_layers)
    }


def text_config(weights: Mapping[str, TensorEntry], kind: TextKind) -> dict[str, Any]:
    """The arguments of transformers' `CLIPTextConfig`.

    Args:
        weights: as `text_weights` returns them.

    Raises:
        ModelError: a weight that determines the config is missing.
    """
    vocab_size, width = _shape(weights, "embeddings.token_embedding.weight")
    projection = weights.get("text_projection.weight")
    return {
        "vocab_size": vocab_size,
        "hidden_size": width,
        "intermediate_size": _shape(weights, "encoder.layers.0.mlp.fc1.weight")[0],
        "num_hidden_layers": max(_layer(name) or 0 for name in weights) + 1,
        "num_attention_heads": max(1, width // HEAD_DIM),
        "max_position_embeddings": _shape(weights, "embeddings.position_embedding.weight")[0],
        "projection_dim": width if projection is None else projection.shape[0],
        "hidden_act": _ACTIVATION[kind],
        "layer_norm_eps": 1e-5,
        "bos_token_id": vocab_size - 2,
        "eos_token_id": vocab_size - 1,
        "pad_token_id": vocab_size - 1 if kind == "clip" else 0,
    }


def padding(kind: TextKind) -> str:
    """The token that pads short prompts."""
    return _PADDING[kind]


def _of_clip(entries: Mapping[str, TensorEntry]) -> dict[str, TensorEntry]:
    return {
        name.removeprefix("text_model."): entry
        for name, entry in entries.items()
        if not name.endswith(_LEFT_OUT)
    }


def _of_open_clip(entries: Mapping[str, TensorEntry]) -> dict[str, TensorEntry]:
    named: dict[str, TensorEntry] = {}
    for name, entry in entries.items():
        if name.endswith(_LEFT_OUT):
            continue
        match = _RESBLOCK.fullmatch(name)
        if match is None:
            # OpenCLIP's projection is the transpose of a linear layer's weight.
            named[_OUTER.get(name, name)] = entry.transpose if name == "text_projection" else entry
            continue
        layer, rest = f"encoder.layers.{match[1]}", match[2]
        if rest.startswith("attn.in_proj_"):
            weight = rest.removeprefix("attn.in_proj_")
            for i, which in enumerate("qkv"):
                named[f"{layer}.self_attn.{which}_proj.{weight}"] = entry.part(i, 3)
        else:
            module, _, weight = rest.rpartition(".")
            named[f"{layer}.{_IN_LAYER.get(module, module)}.{weight}"] = entry
    return named


def _layer(name: str) -> int | None:
    parts = name.split(".")
    is_layer = parts[:2] == ["encoder", "layers"] and len(parts) > 2 and parts[2].isdecimal()
    return int(parts[2]) if is_layer else None


def _shape(weights: Mapping[str, TensorEntry], name: str) -> tuple[int, int]:
    entry = weights.get(name)
    if entry is None or len(entry.shape) != 2:
        found = "missing" if entry is None else f"of shape {list(entry.shape)}"
        raise ModelError(f"{name} of a text encoder is {found}; a CLIP text model has it in 2-D")
    return entry.shape[0], entry.shape[1]
