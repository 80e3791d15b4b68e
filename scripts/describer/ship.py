"""Writes the trained describer to `pipeline/default_describer`: `python -m scripts.describer.ship`."""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from limelight.pipeline.describer.default import FOLDER
from limelight.pipeline.describer.network import Reader, ReaderConfig
from limelight.pipeline.describer.vocabulary import Words
from limelight.pipeline.models.save import follow_umask
from scripts.describer.data import words_of_the_world
from scripts.training.tools import checkpoint

CARD = """# The describer

It reads pictures of the default model's world: a pyramid of convolutions and a causal decoder with
grouped-query attention, trained by `python -m scripts.describer.train` on composed scenes, an hour and a half
on one busy core. Apache-2.0, as the rest of the repository; the art that it learned from is listed in the
default model's README.

    {}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("build/describer"))
    parser.add_argument("--out", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    words = words_of_the_world()
    ship(arguments.run, arguments.out, words, ReaderConfig(num_words=len(words.tokens)), CARD)


def ship(run: Path, out: Path, words: Words, config: ReaderConfig, card: str) -> None:
    """Writes the describer that was trained in `run` as a folder that `load_describer` takes.

    Args:
        card: text of its README, with {} for the numbers of steps and bytes.
    """
    state = checkpoint.load(run / "describer.pt")
    if state is None:
        raise SystemExit(f"error: {run} has no describer.pt; train it first")
    reader = Reader(config)
    reader.load_state_dict(state["modules"]["describer"])
    out.mkdir(parents=True, exist_ok=True)
    weights = {
        name: (x.half() if x.is_floating_point() else x).contiguous()
        for name, x in reader.state_dict().items()
    }
    save_file(weights, out / "model.safetensors")
    stored = {"reader": config.to_dict(), "words": words.to_dict()}
    (out / "config.json").write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    follow_umask(out, as_is=out / "config.json")
    size = sum(x.numel() * x.element_size() for x in weights.values())
    numbers = {"steps": state["step"], "bytes": size}
    (out / "README.md").write_text(card.format(json.dumps(numbers)), encoding="utf-8")
    print(f"{out}: {size / 1e6:.2f} MB after {state['step']} steps")


if __name__ == "__main__":
    with torch.inference_mode():
        main()
