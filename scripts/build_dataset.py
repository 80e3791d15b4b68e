"""Fetches the art and the tokenizer's merges, verified, and renders the tiles: `python -m
scripts.build_dataset`."""

import argparse
import sys
from pathlib import Path

from scripts.second.world import captions as second_captions
from scripts.second.world import tiles as second_tiles
from scripts.world import captions, sources, tiles, tokenizer

SECOND_MAX_TOKENS = 40  # no caption of the second edition is longer


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edition", type=int, choices=(1, 2), default=1)
    parser.add_argument("--out", type=Path, help="default: build/world, of the second edition build/world2")
    arguments = parser.parse_args()
    is_second = arguments.edition == 2
    out = arguments.out or Path("build/world2" if is_second else "build/world")
    try:
        for package in sources.PACKAGES:
            sources.fetch(package, out / "archives")
            print(f"{package.spec}: verified ({package.licence})")
        art = second_tiles if is_second else tiles
        path = art.save_tiles(art.render_tiles(out / "archives"), out)
        print(f"{path}: {path.stat().st_size / 2**20:.1f} MiB")
        merges = tokenizer.read_merges(sources.fetch(sources.CLIP_MERGES, out / "archives"))
        words = second_captions.every_word() if is_second else captions.every_word()
        length = SECOND_MAX_TOKENS if is_second else tokenizer.MAX_TOKENS
        size = tokenizer.save_tokenizer(merges, words, out / "tokenizer", length)
        print(f"{out / 'tokenizer'}: {size} tokens")
    except (sources.IntegrityError, sources.FetchError, tiles.MissingArt) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
