"""Writes which known words are near to words that a model does not know: `python -m scripts.near
pipeline/default_model`.

Makes `near.json` from the folder's `vocabulary.json`, `words.txt` (by hand) and `emoji.tsv`.
"""

import argparse
import sys
from pathlib import Path

from scripts.near.keywords import TABLE, fetch_table
from scripts.near.table import write_near


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", type=Path, nargs="*", help="of models that list their words")
    parser.add_argument("--fetch", type=Path, help="write emoji.tsv first; the folder for npm's archives")
    options = parser.parse_args()
    if options.fetch is not None:
        fetch_table(options.fetch)
        print(TABLE)
    for folder in options.folders:
        path = write_near(folder)
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
