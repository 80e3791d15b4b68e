"""Packs what a GPU needs into one folder: `python -m scripts.second.pack --world build/world2 --run
build/train2 --out build/data2`; `python -m scripts.gpu.payload FOLDER --add build/data2` carries it."""

import argparse
import shutil
import sys
from pathlib import Path

from scripts.second.autoencoder.kept import kept_weights
from scripts.second.autoencoder.training import build_vae
from scripts.second.enlarger.tiles import LARGE_TILE, save_large
from scripts.second.training.config import TWO_CORES
from scripts.second.training.packed import NAME, save_weights
from scripts.second.training.reading import Readers
from scripts.second.training.text import TextSide
from scripts.second.world.nouns import CORE
from scripts.second.world.tiles import render_tiles
from scripts.training.tools import checkpoint

MOST = 27 * 2**20  # bytes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--world", type=Path, default=Path("build/world2"), help="folder that scripts.build_dataset wrote"
    )
    parser.add_argument(
        "--run",
        type=Path,
        default=Path("build/train2"),
        help="folder of a run whose stage `text` is done; the autoencoder of its stage `vae` is packed too, "
        "if it has one or one is kept",
    )
    parser.add_argument("--out", type=Path, default=Path("build/data2"))
    parser.add_argument(
        "--enlarger",
        type=int,
        nargs="?",
        const=CORE,
        default=0,
        metavar="N",
        help=f"also the art that the enlarger learns from, of the first N nouns ({CORE} if not given)",
    )
    options = parser.parse_args()
    try:
        if options.enlarger:
            tiles = render_tiles(options.world / "archives", LARGE_TILE)
            save_large(tiles[:, : options.enlarger], options.out)
        size = pack(options.world, options.run, options.out)
    except FileNotFoundError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{options.out}: {size / 2**20:.1f} MiB")
    return 0


def pack(world: Path, run: Path, out: Path) -> int:
    """Writes tiles, tokenizer, the weights of stage `text`, and an autoencoder if there is one; returns the
    bytes.

    Raises:
        FileNotFoundError: stage `text` has not run.
        ValueError: it is more than can be carried.
    """
    modules = {
        "vae": build_vae(TWO_CORES.vae),
        "encoder": TextSide(TWO_CORES.text, world / "tokenizer").encoder,
        "readers": Readers(TWO_CORES.text.width),
    }
    for name, stage in (("vae", "vae"), ("encoder", "text"), ("readers", "text")):
        state = checkpoint.load(run / f"{stage}.pt")
        if state is None and name == "vae" and (kept := kept_weights(TWO_CORES.vae)):
            state = {"modules": {"vae": kept}}
        if state is None and name == "vae":
            print("no autoencoder is packed; the GPU trains one first", file=sys.stderr)
            del modules[name]
            continue
        if state is None:
            raise FileNotFoundError(f"{run / stage}.pt does not exist; make it with stage `{stage}`")
        modules[name].load_state_dict(state["modules"][name])
    out.mkdir(parents=True, exist_ok=True)
    shutil.copy(world / "tiles.npz", out / "tiles.npz")
    shutil.copytree(world / "tokenizer", out / "tokenizer", dirs_exist_ok=True)
    save_weights(out / NAME, **modules)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    if size > MOST:
        raise ValueError(f"{out} has {size / 2**20:.1f} MiB; at most {MOST / 2**20:.0f} can be carried")
    return size


if __name__ == "__main__":
    sys.exit(main())
