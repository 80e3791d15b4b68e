"""Derives a U-Net's config from the names and shapes of its weights in the original layout."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from limelight.unet.config.errors import UNetConfigError
from limelight.unet.config.unet_config import AddedConfig, LevelConfig, UNetConfig

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unshaped:
    """The values of a config that the shapes of weights do not show.

    Args:
        sample_size: height and width of the latents that the model was trained on.
        num_heads: heads of every attention layer, whatever its width; None if all share `head_dim` instead.
        head_dim: features of a head.
        size_embed_dim: features of each embedded size, if there is added conditioning.
        norm_num_groups: groups of every group norm.
    """

    sample_size: int
    num_heads: int | None
    head_dim: int | None
    size_embed_dim: int | None = None
    norm_num_groups: int = 32

    def heads(self, channels: int, *, attends: bool) -> int:
        if self.num_heads is not None:
            return self.num_heads
        assert self.head_dim is not None
        if attends and channels % self.head_dim:
            raise UNetConfigError(f"{channels} channels; must be a multiple of the head size {self.head_dim}")
        return max(1, channels // self.head_dim)


@dataclass(frozen=True, slots=True)
class _Layer:
    """A residual block with the depth of the attention layer after it; None if there is none."""

    channels: int
    depth: int | None


def config_of(shapes: Mapping[str, Shape], unshaped: Unshaped) -> UNetConfig:
    """The config of the U-Net whose weights have these names and shapes.

    Raises:
        UNetConfigError: it is not a U-Net in the original layout, or one that this package cannot build.
    """
    down = _down_levels(_blocks(shapes, "input_blocks"))
    up = _up_levels(_blocks(shapes, "output_blocks"))
    conv_in, conv_out = _shape(shapes, "input_blocks.0.0.weight", 4), _shape(shapes, "out.2.weight", 4)
    temb = _shape(shapes, "input_blocks.1.0.emb_layers.1.weight", 2)
    added_dim = shapes.get("label_emb.0.0.weight", (0, 0))[-1]
    if added_dim and unshaped.size_embed_dim is None:
        raise UNetConfigError("it takes added conditioning; supported only with SDXL's text encoders")
    return UNetConfig(
        sample_size=(unshaped.sample_size, unshaped.sample_size),
        in_channels=conv_in[1],
        out_channels=conv_out[0],
        context_dim=_some_shape(shapes, ".attn2.to_k.weight", 2)[1],
        down=tuple(_level(layers, unshaped) for layers in down),
        mid=_mid(shapes, unshaped),
        up=tuple(_level(layers, unshaped) for layers in up),
        linear_projection=has_linear_projection(shapes),
        time_scale_shift=temb[0] == 2 * down[0][0].channels,
        dropout=0.0,
        act_fn="silu",
        norm_num_groups=unshaped.norm_num_groups,
        norm_eps=1e-5,
        conv_in_kernel=conv_in[2],
        conv_out_kernel=conv_out[2],
        time_embed_dim=temb[1],
        flip_sin_to_cos=True,
        freq_shift=0.0,
        time_cond_dim=None,
        added=AddedConfig(input_dim=added_dim, size_embed_dim=unshaped.size_embed_dim)
        if added_dim and unshaped.size_embed_dim
        else None,
    )


def has_linear_projection(shapes: Mapping[str, Shape]) -> bool:
    return len(_some_shape(shapes, ".proj_in.weight", None)) == 2


def attends_at_the_bottom(shapes: Mapping[str, Shape]) -> bool:
    """Whether the lowest level on the way down has attention."""
    return _layer(_blocks(shapes, "input_blocks")[-1], "input_blocks").depth is not None


def _down_levels(blocks: list[dict[str, Shape]]) -> list[list[_Layer]]:
    levels: list[list[_Layer]] = [[]]
    for block in blocks[1:]:  # the first is conv_in
        if "0.op.weight" in block:
            levels.append([])
        else:
            levels[-1].append(_layer(block, "input_blocks"))
    return levels


def _up_levels(blocks: list[dict[str, Shape]]) -> list[list[_Layer]]:
    levels: list[list[_Layer]] = [[]]
    for block in blocks:
        levels[-1].append(_layer(block, "output_blocks"))
        if "1.conv.weight" in block or "2.conv.weight" in block:
            levels.append([])
    return levels


def _mid(shapes: Mapping[str, Shape], unshaped: Unshaped) -> LevelConfig | None:
    """The middle: one residual block, or two with attention in between. Distilled models may have no
    middle."""
    if not any(name.startswith("middle_block.") for name in shapes):
        return None
    blocks = _blocks(shapes, "middle_block")
    channels = _shape(blocks[0], "out_layers.3.weight", 4)[0]
    attentions = blocks[1::2]
    return LevelConfig(
        channels=channels,
        num_resnets=len(attentions) + 1,
        depths=tuple(_depth(block) for block in attentions),
        num_heads=unshaped.heads(channels, attends=bool(attentions)),
        only_cross_attention=False,
    )


def _level(layers: list[_Layer], unshaped: Unshaped) -> LevelConfig:
    if not layers:
        raise UNetConfigError("a level of the U-Net has no residual block; weights are missing")
    depths = [layer.depth for layer in layers if layer.depth is not None]
    if len(depths) not in (0, len(layers)):
        raise UNetConfigError(
            f"{len(depths)} of {len(layers)} layers of a level have attention; must be all or none"
        )
    channels = layers[0].channels
    return LevelConfig(
        channels=channels,
        num_resnets=len(layers),
        depths=tuple(depths),
        num_heads=unshaped.heads(channels, attends=bool(depths)),
        only_cross_attention=False,
    )


def _layer(block: Mapping[str, Shape], stem: str) -> _Layer:
    channels = _shape(block, "0.out_layers.3.weight", 4, stem)[0]
    attention = {name[2:]: shape for name, shape in block.items() if name.startswith("1.")}
    return _Layer(channels, _depth(attention) if "proj_in.weight" in attention else None)


def _depth(attention: Mapping[str, Shape]) -> int:
    return len({name.split(".")[1] for name in attention if name.startswith("transformer_blocks.")})


def _blocks(shapes: Mapping[str, Shape], stem: str) -> list[dict[str, Shape]]:
    """The weights under `stem`.0, under `stem`.1 and so on."""
    blocks: dict[int, dict[str, Shape]] = defaultdict(dict)
    for name, shape in shapes.items():
        parts = name.split(".", 2)
        if len(parts) == 3 and parts[0] == stem and parts[1].isdecimal():
            blocks[int(parts[1])][parts[2]] = shape
    for i in range(max(len(blocks), 1)):
        if i not in blocks:
            raise UNetConfigError(f"{stem}.{i} is missing; a U-Net in the original layout has it")
    return [blocks[i] for i in range(len(blocks))]


def _shape(shapes: Mapping[str, Shape], name: str, num_dims: int, stem: str = "") -> Shape:
    shape = shapes.get(name)
    if shape is None or len(shape) != num_dims:
        where = f"{stem}.*.{name}" if stem else name
        found = "missing" if shape is None else f"of shape {list(shape)}"
        raise UNetConfigError(f"{where} is {found}; a U-Net in the original layout has it in {num_dims}-D")
    return shape


def _some_shape(shapes: Mapping[str, Shape], ending: str, num_dims: int | None) -> Shape:
    for name, shape in shapes.items():
        if name.endswith(ending) and num_dims in (None, len(shape)):
            return shape
    raise UNetConfigError(f"there is no *{ending}; a U-Net in the original layout attends somewhere")
