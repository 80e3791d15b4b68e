"""Translates diffusers' `UNet2DConditionModel` configs, once, at the border."""

from collections.abc import Mapping, Sequence
from typing import Any

from unet.config import ACTIVATIONS, AddedConfig, LevelConfig, UNetConfig, UNetConfigError, require_size

# What diffusers takes for a key that a config leaves out. Older configs leave out most of them.
_DEFAULTS: dict[str, Any] = {
    "sample_size": None,
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    "mid_block_type": "UNetMidBlock2DCrossAttn",
    "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
    "only_cross_attention": False,
    "block_out_channels": [320, 640, 1280, 1280],
    "layers_per_block": 2,
    "dropout": 0.0,
    "act_fn": "silu",
    "norm_num_groups": 32,
    "norm_eps": 1e-5,
    "cross_attention_dim": 1280,
    "transformer_layers_per_block": 1,
    "reverse_transformer_layers_per_block": None,
    "attention_head_dim": 8,
    "num_attention_heads": None,
    "use_linear_projection": False,
    "addition_embed_type": None,
    "addition_time_embed_dim": None,
    "projection_class_embeddings_input_dim": None,
    "resnet_time_scale_shift": "default",
    "time_embedding_dim": None,
    "time_cond_proj_dim": None,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "conv_in_kernel": 3,
    "conv_out_kernel": 3,
}

# Keys that would change the computation and that no supported family sets: only these values pass.
_FIXED: dict[str, tuple[Any, ...]] = {
    "center_input_sample": (False,),
    "downsample_padding": (1,),
    "mid_block_scale_factor": (1,),
    "encoder_hid_dim": (None,),
    "encoder_hid_dim_type": (None,),
    "dual_cross_attention": (False,),
    "class_embed_type": (None,),
    "num_class_embeds": (None,),
    "class_embeddings_concat": (False,),
    "resnet_skip_time_act": (False,),
    "resnet_out_scale_factor": (1,),
    "time_embedding_type": ("positional",),
    "time_embedding_act_fn": (None,),
    "timestep_post_act": (None,),
    "attention_type": ("default",),
    "cross_attention_norm": (None,),
}

# Keys that change nothing in what is built here. `upcast_attention` asks for a float32 softmax, which every
# attention backend has; the next two only matter to parts that are refused above; the last are left behind by
# a training run's moving average.
_WITHOUT_EFFECT = {
    "upcast_attention",
    "addition_embed_type_num_heads",
    "mid_block_only_cross_attention",
    *("decay", "inv_gamma", "min_decay", "optimization_step", "power", "update_after_step", "use_ema_warmup"),
}

_DOWN = {"DownBlock2D": False, "CrossAttnDownBlock2D": True}  # name -> has attention
_UP = {"UpBlock2D": False, "CrossAttnUpBlock2D": True}
_MID = {None: None, "UNetMidBlock2D": False, "UNetMidBlock2DCrossAttn": True}
_KINDS = {int: "whole numbers", bool: "true or false"}
_CLASSES = ("UNet2DConditionModel", "FlaxUNet2DConditionModel")


def translate(content: Mapping[str, Any]) -> UNetConfig:
    """The config that diffusers' `content` describes.

    Raises:
        UNetConfigError: names the key, its value and what is supported.
    """
    _refuse_unsupported(content)
    c = {key: content.get(key, default) for key, default in _DEFAULTS.items()}
    channels = _ints("block_out_channels", c["block_out_channels"])
    n = len(channels)
    resnets = _per_level("layers_per_block", c["layers_per_block"], n)
    for num_resnets in resnets:
        require_size("layers_per_block", num_resnets, 64)
    # Its name is a mistake that diffusers keeps: it holds the number of heads, not their size.
    heads_key = "attention_head_dim" if c["num_attention_heads"] is None else "num_attention_heads"
    heads = _per_level(heads_key, c[heads_key], n)
    only_cross = _per_level("only_cross_attention", c["only_cross_attention"], n, kind=bool)
    down_attends = [_choice("down_block_types", t, _DOWN) for t in _types("down_block_types", c, n)]
    up_attends = [_choice("up_block_types", t, _UP) for t in _types("up_block_types", c, n)]
    mid_attends = _choice("mid_block_type", c["mid_block_type"], _MID)

    depths_key, reverse_key = "transformer_layers_per_block", "reverse_transformer_layers_per_block"
    depths = _per_level(depths_key, c[depths_key], n, nested=True)
    if c[reverse_key] is not None:
        up_depths = _per_level(reverse_key, c[reverse_key], n, nested=True)
    elif any(isinstance(depth, Sequence) for depth in depths):
        raise UNetConfigError(
            f"{depths_key} is {c[depths_key]} without {reverse_key}; nested lists need both"
        )
    else:
        up_depths = depths[::-1]

    def level(i: int, num_resnets: int, attends: bool, depth: Any, key: str) -> LevelConfig:
        per_layer = _per_layer(key, depth, num_resnets) if attends else ()
        return LevelConfig(
            channels=channels[i],
            num_resnets=num_resnets,
            depths=per_layer,
            num_heads=heads[i],
            only_cross_attention=only_cross[i],
        )

    mid = None
    if mid_attends is not None:
        last = depths[-1] if isinstance(depths[-1], int) else depths[-1][0]  # diffusers takes the first
        mid = LevelConfig(
            channels=channels[-1],
            num_resnets=2 if mid_attends else 1,
            depths=(last,) if mid_attends else (),
            num_heads=heads[-1],
            only_cross_attention=False,
        )
    context_dims = _per_level("cross_attention_dim", c["cross_attention_dim"], n)
    if len(set(context_dims)) > 1:
        raise UNetConfigError(f"cross_attention_dim is {context_dims}; supported: one number for all levels")

    return UNetConfig(
        sample_size=_sample_size(c["sample_size"]),
        in_channels=_int("in_channels", c["in_channels"]),
        out_channels=_int("out_channels", c["out_channels"]),
        context_dim=context_dims[0],
        down=tuple(level(i, resnets[i], down_attends[i], depths[i], depths_key) for i in range(n)),
        mid=mid,
        up=tuple(
            level(
                n - 1 - j,
                resnets[n - 1 - j] + 1,
                up_attends[j],
                up_depths[j],
                depths_key if c[reverse_key] is None else reverse_key,
            )
            for j in range(n)
        ),
        linear_projection=_bool("use_linear_projection", c["use_linear_projection"]),
        time_scale_shift=_choice(
            "resnet_time_scale_shift", c["resnet_time_scale_shift"], {"default": False, "scale_shift": True}
        ),
        dropout=_number("dropout", c["dropout"]),
        act_fn=_choice("act_fn", c["act_fn"], {"swish": "silu"} | {name: name for name in ACTIVATIONS}),
        norm_num_groups=_int("norm_num_groups", c["norm_num_groups"]),
        norm_eps=_number("norm_eps", c["norm_eps"]),
        conv_in_kernel=_int("conv_in_kernel", c["conv_in_kernel"]),
        conv_out_kernel=_int("conv_out_kernel", c["conv_out_kernel"]),
        time_embed_dim=_optional_int("time_embedding_dim", c["time_embedding_dim"]) or 4 * channels[0],
        flip_sin_to_cos=_bool("flip_sin_to_cos", c["flip_sin_to_cos"]),
        freq_shift=_number("freq_shift", c["freq_shift"]),
        time_cond_dim=_optional_int("time_cond_proj_dim", c["time_cond_proj_dim"]),
        added=_added(c),
    )


def _refuse_unsupported(content: Mapping[str, Any]) -> None:
    name = content.get("_class_name", _CLASSES[0])
    if name not in _CLASSES:
        raise UNetConfigError(f"_class_name is {name!r}; a U-Net's is {_CLASSES[0]!r}")
    for key, value in content.items():
        if key in _FIXED and value not in _FIXED[key]:
            supported = " or ".join(repr(one) for one in _FIXED[key])
            raise UNetConfigError(f"{key} is {value!r}; supported: {supported}")
        known = key in _DEFAULTS or key in _FIXED or key in _WITHOUT_EFFECT or key.startswith("_")
        if not known and value not in (None, False):
            raise UNetConfigError(
                f"{key} is {value!r}, a key unknown here; supported: null, false or leaving it out"
            )


def _added(c: Mapping[str, Any]) -> AddedConfig | None:
    input_key, embed_key = "projection_class_embeddings_input_dim", "addition_time_embed_dim"
    if not _choice("addition_embed_type", c["addition_embed_type"], {None: False, "text_time": True}):
        return None  # both keys stay unused then, as in diffusers
    return AddedConfig(input_dim=_int(input_key, c[input_key]), size_embed_dim=_int(embed_key, c[embed_key]))


def _per_level(key: str, value: Any, num_levels: int, *, kind: type = int, nested: bool = False) -> list[Any]:
    """`value` once per level; a list has one entry per level already."""
    entries = list(value) if isinstance(value, (list, tuple)) else [value] * num_levels
    if len(entries) != num_levels:
        raise UNetConfigError(f"{key} has {len(entries)} entries; block_out_channels has {num_levels}")
    if not all(type(one) is kind or (nested and isinstance(one, (list, tuple)) and one) for one in entries):
        raise UNetConfigError(f"{key} is {value!r}; needs {_KINDS[kind]}")
    return entries


def _per_layer(key: str, depth: Any, num_layers: int) -> tuple[int, ...]:
    """`depth` once per attention layer of a level."""
    if isinstance(depth, int):
        return (depth,) * num_layers
    if len(depth) != num_layers:
        raise UNetConfigError(f"{key} has {depth}; this level has {num_layers} attention layers")
    return _ints(key, depth)


def _types(key: str, c: Mapping[str, Any], num_levels: int) -> Sequence[Any]:
    types = c[key]
    if not isinstance(types, (list, tuple)) or len(types) != num_levels:
        raise UNetConfigError(f"{key} is {types!r}; needs a list of {num_levels}, as block_out_channels has")
    return types


def _choice(key: str, value: Any, meanings: Mapping[Any, Any]) -> Any:
    if not isinstance(value, (str, type(None))) or value not in meanings:
        raise UNetConfigError(f"{key} is {value!r}; supported: {' or '.join(repr(one) for one in meanings)}")
    return meanings[value]


def _ints(key: str, value: Any) -> tuple[int, ...]:
    if not isinstance(value, (list, tuple)) or not value:
        raise UNetConfigError(f"{key} is {value!r}; needs a list of whole numbers")
    return tuple(_int(key, one) for one in value)


def _int(key: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise UNetConfigError(f"{key} is {value!r}; needs a whole number")
    return value


def _optional_int(key: str, value: Any) -> int | None:
    return None if value is None else _int(key, value)


def _number(key: str, value: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise UNetConfigError(f"{key} is {value!r}; needs a number")
    return float(value)


def _bool(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise UNetConfigError(f"{key} is {value!r}; needs true or false")
    return value


def _sample_size(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    size = _ints("sample_size", value if isinstance(value, (list, tuple)) else [value, value])
    if len(size) != 2:
        raise UNetConfigError(f"sample_size is {value!r}; needs one number or two")
    return (size[0], size[1])
