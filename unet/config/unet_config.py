"""The configuration of a U-Net of the Stable Diffusion family."""

from dataclasses import dataclass

from limelight.unet.config.errors import UNetConfigError

_MAX_BLOCKS = 1024  # SDXL has 87
ACTIVATIONS = ("silu", "gelu", "mish", "relu")


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelConfig:
    """One level (resolution) of the U-Net, on the way down, in the middle or on the way up.

    Args:
        channels: features of the level.
        num_resnets: residual blocks; a level has one more on the way up than on the way down.
        depths: transformer blocks in each attention layer, () for a level without attention. Down and up
            levels have an attention layer after every residual block, the middle between two.
        num_heads: attention heads (not their size).
        only_cross_attention: whether attn1, usually self-attention, reads the context too.
    """

    channels: int
    num_resnets: int
    depths: tuple[int, ...]
    num_heads: int
    only_cross_attention: bool

    def __post_init__(self) -> None:
        for name, limit in (("channels", 65_536), ("num_resnets", 64), ("num_heads", 65_536)):
            require_size(name, getattr(self, name), limit)
        _require(
            all(0 <= depth <= 64 for depth in self.depths),
            f"depths are {self.depths}; at least 0, at most 64 each",
        )
        _require(
            not self.depths or self.channels % self.num_heads == 0,
            f"channels is {self.channels} with {self.num_heads} heads; must be a multiple of the heads",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedConfig:
    """SDXL's added conditioning: the pooled text and embedded sizes, added to the timestep embedding.

    Args:
        input_dim: features of pooled text and sizes together (base: 1280 + 6 x 256, refiner: 1280 + 5 x 256).
        size_embed_dim: features of each embedded size.
    """

    input_dim: int
    size_embed_dim: int

    def __post_init__(self) -> None:
        for name in ("input_dim", "size_embed_dim"):
            require_size(name, getattr(self, name), 2**20)
        _require(self.size_embed_dim % 2 == 0, f"size_embed_dim is {self.size_embed_dim}; must be even")


@dataclass(frozen=True, slots=True, kw_only=True)
class UNetConfig:
    """A U-Net, level by level. `read_config` reads it from a diffusers `config.json`.

    Args:
        sample_size: height and width of the latents that the model was trained on; None if unknown.
        context_dim: features of a text token.
        down: the levels down, highest resolution first.
        mid: the middle; None for distilled models without one.
        up: the levels up, lowest resolution first.
        linear_projection: whether transformers begin and end with a linear layer (SD2, SDXL), not with a 1x1
            convolution.
        time_scale_shift: whether the timestep scales and shifts the features; otherwise it only shifts them.
        time_embed_dim: features of the timestep embedding.
        flip_sin_to_cos, freq_shift: layout and spacing of the sinusoids.
        time_cond_dim: features of the guidance embedding that LCM models take; None for all others.
        added: SDXL's added conditioning; None for all others.
    """

    sample_size: tuple[int, int] | None
    in_channels: int
    out_channels: int
    context_dim: int
    down: tuple[LevelConfig, ...]
    mid: LevelConfig | None
    up: tuple[LevelConfig, ...]
    linear_projection: bool
    time_scale_shift: bool
    dropout: float
    act_fn: str
    norm_num_groups: int
    norm_eps: float
    conv_in_kernel: int
    conv_out_kernel: int
    time_embed_dim: int
    flip_sin_to_cos: bool
    freq_shift: float
    time_cond_dim: int | None
    added: AddedConfig | None

    def __post_init__(self) -> None:
        for name in ("in_channels", "out_channels", "context_dim", "norm_num_groups", "time_embed_dim"):
            require_size(name, getattr(self, name), 2**20)
        for name in ("conv_in_kernel", "conv_out_kernel"):
            require_size(name, getattr(self, name), 31)
            _require(getattr(self, name) % 2 == 1, f"{name} is {getattr(self, name)}; must be odd")
        _require(0 <= self.dropout < 1, f"dropout is {self.dropout}; at least 0 and below 1")
        _require(self.act_fn in ACTIVATIONS, f"act_fn is {self.act_fn!r}; one of {', '.join(ACTIVATIONS)}")
        require_size("number of levels", len(self.down), 16)
        _require(
            len(self.up) == len(self.down), f"{len(self.down)} levels down, {len(self.up)} up; must be equal"
        )
        for level in (*self.down, *self.up):
            _require(
                len(level.depths) in (0, level.num_resnets),
                f"{len(level.depths)} attention layers; must be 0 or {level.num_resnets}, as residual blocks",
            )
            _require(
                level.channels % self.norm_num_groups == 0,
                f"channels is {level.channels}; must be a multiple of norm_num_groups {self.norm_num_groups}",
            )
        for down, up in zip(self.down, reversed(self.up), strict=True):
            _require(
                down.channels == up.channels,
                f"{down.channels} channels down, {up.channels} up; must be equal",
            )
            _require(
                up.num_resnets == down.num_resnets + 1,
                f"{down.num_resnets} residual blocks down, {up.num_resnets} up; must be one more up",
            )
        levels = [*self.down, *self.up] if self.mid is None else [*self.down, self.mid, *self.up]
        num_blocks = sum(level.num_resnets + sum(level.depths) for level in levels)
        require_size("number of blocks", num_blocks, _MAX_BLOCKS)
        if self.time_cond_dim is not None:
            require_size("time_cond_dim", self.time_cond_dim, 2**20)
        first, last, mid = self.down[0], self.down[-1], self.mid
        _require(first.channels % 2 == 0, f"channels of the first level is {first.channels}; must be even")
        if mid is not None:
            _require(
                mid.channels == last.channels,
                f"{last.channels} channels at the lowest level, {mid.channels} in the middle; must be equal",
            )
            _require(
                mid.num_resnets == len(mid.depths) + 1,
                f"the middle has {len(mid.depths)} attention layers, {mid.num_resnets} residual blocks; "
                "must be one more",
            )


def require_size(name: str, size: int, limit: int) -> None:
    """Refuses sizes beyond those of any real model, which would take hours to build."""
    _require(1 <= size <= limit, f"{name} is {size}; at least 1, at most {limit}")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise UNetConfigError(message)
