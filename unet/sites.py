"""Lists the attention sites of a U-Net, with their grids for a given picture size."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from limelight.unet.config.unet_config import LevelConfig, UNetConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One attention layer.

    Args:
        name: its dotted name, as in the weights.
        kind: "self" attends to the image, "cross" to the context.
        factor: how many times smaller than the latent the grid is.
    """

    name: str
    kind: Literal["self", "cross"]
    num_heads: int
    head_dim: int
    factor: int

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of this layer's grid, for a latent of `height` x `width`."""
        return (-(-height // self.factor), -(-width // self.factor))  # each halving rounds up


def list_sites(config: UNetConfig) -> tuple[Site, ...]:
    """Every attention layer of the U-Net that `config` describes, in the order in which they run."""
    n = len(config.down)
    levels = [(f"down_blocks.{i}", level, 2**i) for i, level in enumerate(config.down)]
    if config.mid is not None:
        levels.append(("mid_block", config.mid, 2 ** (n - 1)))
    levels += [(f"up_blocks.{i}", level, 2 ** (n - 1 - i)) for i, level in enumerate(config.up)]
    return tuple(site for name, level, factor in levels for site in _of_level(name, level, factor))


def _of_level(name: str, level: LevelConfig, factor: int) -> Iterator[Site]:
    for j, depth in enumerate(level.depths):
        for k in range(depth):
            for layer in ("attn1", "attn2"):
                is_cross = layer == "attn2" or level.only_cross_attention
                yield Site(
                    name=f"{name}.attentions.{j}.transformer_blocks.{k}.{layer}",
                    kind="cross" if is_cross else "self",
                    num_heads=level.num_heads,
                    head_dim=level.channels // level.num_heads,
                    factor=factor,
                )
