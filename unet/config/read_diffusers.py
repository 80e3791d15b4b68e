"""Translates the configs of diffusers' `UNet2DConditionModel`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from limelight.files import UnreadableFile, read_json
from limelight.unet.config.errors import UNetConfigError
from limelight.unet.config.unet_config import ACTIVATIONS, AddedConfig, LevelConfig, UNetConfig, require_size
from limelight.unet.config.values import (
    boolean,
    choice,
    integer,
    integers,
    number,
    optional_integer,
    per_layer,
    per_level,
    sample_size,
    types_per_level,
)

# diffusers' defaults for keys that a config leaves out. Older configs leave out most of them.
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

# Keys that change the computation and that no supported family sets. Only these values are accepted.
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

# Keys that have no effect here. `upcast_attention` asks for a softmax in float32, which every attention
# backend has. The next two only concern parts that are refused above. The last come from a moving average in
# training.
_WITHOUT_EFFECT = {
    "upcast_attention",
    "addition_embed_type_num_heads",
    "mid_block_only_cross_attention",
    *("decay", "inv_gamma", "min_decay", "optimization_step", "power", "update_after_step", "use_ema_warmup"),
}

_DOWN = {"DownBlock2D": False, "CrossAttnDownBlock2D": True}  # name -> has attention
_UP = {"UpBlock2D": False, "CrossAttnUpBlock2D": True}
_MID = {None: None, "UNetMidBlock2D": False, "UNetMidBlock2DCrossAttn": True}
_CLASSES = ("UNet2DConditionModel", "FlaxUNet2DConditionModel")


def read_config(source: str | Path | Mapping[str, Any]) -> UNetConfig:
    """Reads diffusers' `config.json`, given as its path, its folder or its parsed content.

    Raises:
        UNetConfigError: it is not a U-Net's config, or has a part that this package does not have.
    """
    if isinstance(source, Mapping):
        return translate(source)
    path = Path(source)
    path = path / "config.json" if path.is_dir() else path
    try:
        content = read_json(path)
    except FileNotFoundError:
        raise UNetConfigError(f"{path} does not exist; a U-Net folder holds a config.json") from None
    except UnreadableFile as error:
        raise UNetConfigError(str(error)) from None
    if not isinstance(content, dict):
        raise UNetConfigError(f"{path} holds a {type(content).__name__}; needs an object")
    try:
        return translate(content)
    except UNetConfigError as error:
        raise UNetConfigError(f"{path}: {error}") from None


def translate(content: Mapping[str, Any]) -> UNetConfig:
    """The config that diffusers' `content` describes.

    Raises:
        UNetConfigError: names the key, its value and what is supported.
    """
    _refuse_unsupported(content)
    c = {key: content.get(key, default) for key, default in _DEFAULTS.items()}
    channels = integers("block_out_channels", c["block_out_channels"])
    n = len(channels)
    resnets = per_level("layers_per_block", c["layers_per_block"], n)
    for num_resnets in resnets:
        require_size("layers_per_block", num_resnets, 64)
    # diffusers keeps this misnomer: the key holds the number of heads, not their size.
    heads_key = "attention_head_dim" if c["num_attention_heads"] is None else "num_attention_heads"
    heads = per_level(heads_key, c[heads_key], n)
    only_cross = per_level("only_cross_attention", c["only_cross_attention"], n, kind=bool)
    down_attends = [choice("down_block_types", t, _DOWN) for t in types_per_level("down_block_types", c, n)]
    up_attends = [choice("up_block_types", t, _UP) for t in types_per_level("up_block_types", c, n)]
    mid_attends = choice("mid_block_type", c["mid_block_type"], _MID)

    depths_key, reverse_key = "transformer_layers_per_block", "reverse_transformer_layers_per_block"
    depths = per_level(depths_key, c[depths_key], n, nested=True)
    if c[reverse_key] is not None:
        up_depths = per_level(reverse_key, c[reverse_key], n, nested=True)
    elif any(isinstance(depth, Sequence) for depth in depths):
        raise UNetConfigError(
            f"{depths_key} is {c[depths_key]} without {reverse_key}; nested lists need both"
        )
    else:
        up_depths = depths[::-1]

    def level(i: int, num_resnets: int, attends: bool, depth: Any, key: str) -> LevelConfig:
        return LevelConfig(
            channels=channels[i],
            num_resnets=num_resnets,
            depths=per_layer(key, depth, num_resnets) if attends else (),
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
    context_dims = per_level("cross_attention_dim", c["cross_attention_dim"], n)
    if len(set(context_dims)) > 1:
        raise UNetConfigError(f"cross_attention_dim is {context_dims}; supported: one number for all levels")

    return UNetConfig(
        sample_size=sample_size(c["sample_size"]),
        in_channels=integer("in_channels", c["in_channels"]),
        out_channels=integer("out_channels", c["out_channels"]),
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
        linear_projection=boolean("use_linear_projection", c["use_linear_projection"]),
        time_scale_shift=choice(
            "resnet_time_scale_shift", c["resnet_time_scale_shift"], {"default": False, "scale_shift": True}
        ),
        dropout=number("dropout", c["dropout"]),
        act_fn=choice("act_fn", c["act_fn"], {"swish": "silu"} | {name: name for name in ACTIVATIONS}),
        norm_num_groups=integer("norm_num_groups", c["norm_num_groups"]),
        norm_eps=number("norm_eps", c["norm_eps"]),
        conv_in_kernel=integer("conv_in_kernel", c["conv_in_kernel"]),
        conv_out_kernel=integer("conv_out_kernel", c["conv_out_kernel"]),
        time_embed_dim=optional_integer("time_embedding_dim", c["time_embedding_dim"]) or 4 * channels[0],
        flip_sin_to_cos=boolean("flip_sin_to_cos", c["flip_sin_to_cos"]),
        freq_shift=number("freq_shift", c["freq_shift"]),
        time_cond_dim=optional_integer("time_cond_proj_dim", c["time_cond_proj_dim"]),
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
    if not choice("addition_embed_type", c["addition_embed_type"], {None: False, "text_time": True}):
        return None  # diffusers ignores both keys then
    return AddedConfig(
        input_dim=integer(input_key, c[input_key]), size_embed_dim=integer(embed_key, c[embed_key])
    )
