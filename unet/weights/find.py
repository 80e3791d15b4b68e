"""Finds the weight files of one model in a folder, in the layouts of diffusers and transformers."""

import logging
import re
from pathlib import Path

from limelight.files import UnreadableFile, read_json
from limelight.unet.weights.header import CONVERT, DamagedWeights, PickledWeights, WeightsError

DIFFUSERS_STEM = "diffusion_pytorch_model"  # U-Nets and VAEs; transformers' models use "model"
PICKLE_SUFFIXES = (".bin", ".ckpt", ".pt", ".pth")
logger = logging.getLogger(__name__)
_MAX_INDEX_BYTES = 8 * 2**20
_SHARD = re.compile(r"-(\d{5})-of-(\d{5})")


class WeightsNotFound(WeightsError):
    """A folder does not hold the requested weights."""


def find_weights(
    folder: str | Path, *, stem: str = DIFFUSERS_STEM, variant: str | None = None
) -> tuple[Path, ...]:
    """The safetensors file, or the shards in order, of one model in `folder`.

    Args:
        stem: the files' name without shard, variant and suffix; "model" for transformers' models.
        variant: the word between stem and suffix, such as "fp16"; None takes the files without one, or the
            only variant of the folder.

    Raises:
        WeightsNotFound: there are none, or a shard is missing; the message says what the folder has instead.
        PickledWeights: there are only pickles.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise WeightsNotFound(f"{folder} is not a folder; needs one with {stem}.safetensors")
    middle = "" if variant is None else f".{variant}"
    single = folder / f"{stem}{middle}.safetensors"
    if single.is_file():
        return (single,)
    for index in (f"{stem}.safetensors.index{middle}.json", f"{stem}{middle}.safetensors.index.json"):
        if (folder / index).is_file():
            return _files_of_index(folder / index)
    return _shards(folder, stem, variant)


def _files_of_index(index: Path) -> tuple[Path, ...]:
    """The files that an index names; all must be in its own folder."""
    try:
        content = read_json(index, max_bytes=_MAX_INDEX_BYTES)
    except UnreadableFile as error:
        raise DamagedWeights(f"{error}; it should be an index of weights") from None
    weights = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(weights, dict) or not weights:
        raise DamagedWeights(f"{index} is no index of weights: it has no weight_map")
    names = list(
        dict.fromkeys(name if isinstance(name, str) else repr(name)[:80] for name in weights.values())
    )
    for name in names:
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise DamagedWeights(f"{index} names {name!r}; needs the plain name of a .safetensors file")
        if not (index.parent / name).is_file():
            raise WeightsNotFound(f"{index} names {name!r}, which is not there; copy or download it again")
    return tuple(index.parent / name for name in sorted(set(names)))


def _shards(folder: Path, stem: str, variant: str | None) -> tuple[Path, ...]:
    """The shards of a folder without an index; raises the reason if there are none."""
    shards: dict[tuple[int, int], Path] = {}
    variants: set[str] = set()
    for path in folder.iterdir():
        if not path.name.startswith(stem) or path.suffix != ".safetensors":
            continue
        middle = path.name.removeprefix(stem).removesuffix(".safetensors")
        name = _SHARD.sub("", middle).removeprefix(".")
        if name != (variant or ""):
            variants.add(name)
        elif match := _SHARD.search(middle):
            shards[int(match[1]), int(match[2])] = path
    if shards:
        counts = {count for _, count in shards}
        expected = {(number, count) for count in counts for number in range(1, count + 1)}
        if len(counts) > 1 or shards.keys() != expected:
            needed = " or ".join(map(str, sorted(counts)))
            raise WeightsNotFound(f"{folder} has {len(shards)} shards; needs a whole set of {needed}")
        return tuple(shards[key] for key in sorted(shards))
    wanted = stem if variant is None else f"{stem}.{variant}"
    if variant is None and len(variants) == 1:
        (only,) = variants
        logger.info("%s has no %s.safetensors; taking variant %r, the only one", folder, stem, only)
        return find_weights(folder, stem=stem, variant=only)
    if variants:
        found = ", ".join(repr(name or None) for name in sorted(variants))
        raise WeightsNotFound(f"{folder} has no {wanted}.safetensors; it has variant={found}")
    pickles = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLE_SUFFIXES)
    if pickles:
        raise PickledWeights(f"{folder} has only pickles ({', '.join(pickles[:5])}), never opened; {CONVERT}")
    raise WeightsNotFound(f"{folder} has no {wanted}.safetensors")
