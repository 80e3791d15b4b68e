"""Fetches the art and the tokenizer's merges, verified, and renders the tiles: `python -m
scripts.build_dataset`."""

import argparse
import sys
from pathlib import Path

from scripts.world import sources, tiles, tokenizer


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/world"))
    out = parser.parse_args().out
    try:
        for package in sources.PACKAGES:
            sources.fetch(package, out / "archives")
            print(f"{package.spec}: verified ({package.licence})")
        path = tiles.save_tiles(tiles.render_tiles(out / "archives"), out)
        print(f"{path}: {path.stat().st_size / 2**20:.1f} MiB")
        merges = tokenizer.read_merges(sources.fetch(sources.CLIP_MERGES, out / "archives"))
        size = tokenizer.save_tokenizer(merges, out / "tokenizer")
        print(f"{out / 'tokenizer'}: {size} tokens")
    except (sources.IntegrityError, sources.FetchError, tiles.MissingArt) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
