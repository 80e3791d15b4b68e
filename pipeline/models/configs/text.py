"""Reads the configuration of a CLIP text encoder, as transformers writes it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from limelight.pipeline.errors import ModelError
from limelight.pipeline.models.configs.schema import (
    Check,
    checked,
    number,
    one_of,
    optional,
    read_object,
    whole,
)

_ID = whole(0, 2**20)
# Other entries, such as `attn_implementation`, `quantization_config` and `auto_map`, could choose code to
# download or to run, so they are not passed on.
_SCHEMA: Mapping[str, Check] = {
    "vocab_size": whole(2, 2**20),
    "hidden_size": whole(1, 8192),
    "intermediate_size": whole(1, 65_536),
    "projection_dim": whole(1, 8192),
    "num_hidden_layers": whole(1, 64),
    "num_attention_heads": whole(1, 512),
    "max_position_embeddings": whole(3, 4096),  # start, end and one token
    "hidden_act": one_of("quick_gelu", "gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "silu"),
    "layer_norm_eps": number(0, 1, above=True),
    "attention_dropout": number(0, 1),
    "bos_token_id": optional(_ID),
    "eos_token_id": optional(_ID),
    "pad_token_id": optional(_ID),
}
_DEFAULTS: Mapping[str, Any] = {  # of `CLIPTextConfig`
    "hidden_size": 512,
    "num_attention_heads": 8,
    "vocab_size": 49408,
    "projection_dim": 512,
}


def read_text_config(path: Path) -> dict[str, Any]:
    """The arguments of `CLIPTextConfig`.

    Raises:
        ModelError: the file is not the configuration of a CLIP text encoder.
    """
    config = dict(_DEFAULTS) | checked(path, read_object(path), _SCHEMA)
    width, heads = config["hidden_size"], config["num_attention_heads"]
    if width % heads:
        raise ModelError(f"{path}: hidden_size is {width} with {heads} heads; must be a multiple of them")
    return config
