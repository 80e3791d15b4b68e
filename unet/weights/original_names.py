"""The names that a U-Net's weights have in the original layout (LDM, sgm), derived from its config.

Our own names are those of diffusers, so files in diffusers' layout need no map at all.

Source: Rombach et al. 2022, arXiv:2112.10752; the modules of its `UNetModel`, numbered in order of creation.
"""

from collections.abc import Iterable, Iterator

from limelight.unet.config.unet_config import LevelConfig, UNetConfig

_OUTER = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "label_emb.0.0": "add_embedding.linear_1",
    "label_emb.0.2": "add_embedding.linear_2",
    "input_blocks.0.0": "conv_in",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
}
_RESNET = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}


def original_names(config: UNetConfig, names: Iterable[str]) -> dict[str, str]:
    """Name in the original layout -> our name.

    Args:
        names: our names of the weights of a U-Net with that config, as its `state_dict()` has them.
    """
    originals = {ours: original for original, ours in _modules(config)}
    return {_original(name, originals): name for name in names}


def _original(name: str, originals: dict[str, str]) -> str:
    """`name` with its longest prefix that is a module's name replaced."""
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        if original := originals.get(".".join(parts[:cut])):
            return ".".join((original, *parts[cut:]))
    raise KeyError(name)


def _modules(config: UNetConfig) -> Iterator[tuple[str, str]]:
    """The original name and ours of every module that holds weights. A module whose children keep their names
    stands for all of them."""
    yield from _OUTER.items()

    index = 1  # input_blocks.0 is conv_in
    for i, level in enumerate(config.down):
        for j in range(level.num_resnets):
            yield from _layer(f"input_blocks.{index}", f"down_blocks.{i}", level, j)
            index += 1
        if i < len(config.down) - 1:
            yield f"input_blocks.{index}.0.op", f"down_blocks.{i}.downsamplers.0.conv"
            index += 1

    if config.mid is not None:
        for j in range(config.mid.num_resnets):
            yield from _resnet(f"middle_block.{2 * j}", f"mid_block.resnets.{j}")
        for j in range(len(config.mid.depths)):
            yield f"middle_block.{2 * j + 1}", f"mid_block.attentions.{j}"

    index = 0
    for i, level in enumerate(config.up):
        for j in range(level.num_resnets):
            yield from _layer(f"output_blocks.{index}", f"up_blocks.{i}", level, j)
            index += 1
        if i < len(config.up) - 1:
            position = 2 if level.depths else 1
            yield f"output_blocks.{index - 1}.{position}.conv", f"up_blocks.{i}.upsamplers.0.conv"


def _layer(original: str, ours: str, level: LevelConfig, j: int) -> Iterator[tuple[str, str]]:
    yield from _resnet(f"{original}.0", f"{ours}.resnets.{j}")
    if level.depths:
        yield f"{original}.1", f"{ours}.attentions.{j}"


def _resnet(original: str, ours: str) -> Iterator[tuple[str, str]]:
    for part, our_part in _RESNET.items():
        yield f"{original}.{part}", f"{ours}.{our_part}"
