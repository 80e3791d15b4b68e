"""Measures edits of the words of a picture: `python -m scripts.steering.evaluate_edits`.

An edit is done if the judge sees the new noun, the noun in its new colour, the new ground, or no longer the
noun whose weight is 0. Of what should stay, a thing counts if the judge saw it in the first picture. PSNR is
taken outside the places of the edited words, by the maps of both pictures of the edit without blend, and not
of edits of the ground. The two other ways draw the new prompt with the same seed, and with the first picture
as `image`, at each strength.
"""

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from PIL import Image
from torch import Tensor

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.latents.vae import pixels_of
from limelight.pipeline.maps.lookup import tokens_of
from limelight.pipeline.results.result import Result
from limelight.pipeline.sampling.edits.blend import place
from limelight.pipeline.text.encoder import words_of
from scripts.steering.edit_cases import KINDS, Case, cases, seen
from scripts.training.scoring.judge import Found, Judge, trained_judge
from scripts.training.scoring.scores import interval
from scripts.training.tools.grid import save_grid
from scripts.world.composer import PIXELS

STRENGTHS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
THRESHOLD = 0.3  # of a map's maximum, above which a word has a place
Look = tuple[list[Found], int]
Way = Callable[[Case, Image.Image], GenerationRequest]


def ways(fields: dict[str, Any]) -> dict[str, Way]:
    """Name -> the request that edits a picture in that way."""

    def edit(case: Case, base: Image.Image) -> GenerationRequest:
        return GenerationRequest(
            prompt=case.edit,
            edit_of=case.base,
            seed=case.seed,
            scale_words=case.scales,
            record="grid",
            **fields,
        )

    def blended(case: Case, base: Image.Image) -> GenerationRequest:
        return replace(edit(case, base), blend_words=case.words)

    def again(case: Case, base: Image.Image) -> GenerationRequest:
        return GenerationRequest(prompt=case.plain, seed=case.seed, **fields)

    def over(strength: float) -> Way:
        return lambda case, base: replace(again(case, base), image=base, strength=strength)

    others = {f"img2img, strength {strength:g}": over(strength) for strength in STRENGTHS}
    return {"edit": edit, "edit with blend": blended, "same seed, new prompt": again, **others}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", default="default")
    parser.add_argument("--edits", type=int, default=200)
    parser.add_argument("--seed", type=int, default=60_000)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument(
        "--keep", help="cross,self: fractions of the steps; the default of a request if omitted"
    )
    parser.add_argument("--pictures", type=Path, help="a PNG of all pictures: a row for each way, base first")
    arguments = parser.parse_args()
    pipe, judge = TextToImagePipeline.from_pretrained(arguments.model), trained_judge()
    asked = cases(arguments.edits, arguments.seed)
    fields = {"num_steps": arguments.steps}
    bases = [
        result.image
        for result in pipe([GenerationRequest(prompt=case.base, seed=case.seed, **fields) for case in asked])
    ]
    before = looks(judge, bases)
    drawn: dict[str, list[Result]] = {}
    for name, way in ways(fields).items():
        requests = [way(case, base) for case, base in zip(asked, bases, strict=True)]
        if arguments.keep and name.startswith("edit"):
            requests = [replace(each, keep=arguments.keep) for each in requests]
        drawn[name] = pipe(requests)
    outside = [_outside(case, result) for case, result in zip(asked, drawn["edit"], strict=True)]
    rows = {
        name: scores(judge, asked, before, bases, [each.image for each in results], outside)
        for name, results in drawn.items()
    }
    best = max((name for name in rows if name.startswith("img2img")), key=lambda name: rows[name].balance)
    print("| way | edit done | 95 % | others stay | ground stays | PSNR outside | median |")
    print("|---|---|---|---|---|---|---|")
    for name, row in rows.items():
        print(f"| {name}{' (best)' if name == best else ''} | {' | '.join(row.cells())} |")
    shown = ("edit", "edit with blend", "same seed, new prompt", best)
    print(f"\n| edit done, by kind | {' | '.join(shown)} |\n|---|{'---|' * len(shown)}")
    for kind in KINDS:
        which = [i for i, case in enumerate(asked) if case.kind == kind]
        print(f"| {kind} | {' | '.join(f'{rows[name].done[which].mean():.2f}' for name in shown)} |")
    if arguments.pictures:
        pictures = [bases, *([each.image for each in drawn[name]] for name in shown)]
        flat = torch.cat([pixels_of(image, PIXELS, PIXELS) for row in pictures for image in row])
        save_grid(flat / 2 + 0.5, arguments.pictures, len(asked))
    return 0


def looks(judge: Judge, images: Sequence[Image.Image]) -> list[Look]:
    """What the judge sees in each picture, and its ground."""
    found = [judge.look(pixels_of(image, PIXELS, PIXELS)) for image in images]
    return [(things[0], grounds[0]) for things, grounds in found]


class Scores:
    """What came of the edits in one way.

    Args:
        done: of each edit, whether the judge sees it.
        others: of each thing that should stay and was there, whether it is.
        ground: of each edit that is not of the ground, whether the ground is the same.
        psnr: of the same, in dB; infinite where nothing changed.
    """

    def __init__(
        self, done: Sequence[bool], others: Sequence[bool], ground: Sequence[bool], psnr: Sequence[float]
    ) -> None:
        self.done = np.array(done, float)
        self.others, self.ground, self.psnr = others, ground, psnr

    @property
    def balance(self) -> float:
        """The mean of what an edit is for: done, and nothing else changed."""
        return (float(self.done.mean()) + float(np.mean(self.others)) + float(np.mean(self.ground))) / 3

    def cells(self) -> list[str]:
        low, high = interval(self.done, np.random.default_rng(0))
        error = np.mean([10 ** (-each / 10) for each in self.psnr])  # the mean of the squared errors
        stay = [f"{np.mean(each):.2f} of {len(each)}" for each in (self.others, self.ground)]
        psnr = -10 * math.log10(max(error, 1e-12))
        done = f"{self.done.mean():.2f}"
        return [done, f"{low:.2f} to {high:.2f}", *stay, f"{psnr:.1f} dB", f"{np.median(self.psnr):.1f} dB"]


def scores(
    judge: Judge,
    asked: Sequence[Case],
    before: Sequence[Look],
    bases: Sequence[Image.Image],
    images: Sequence[Image.Image],
    outside: Sequence[Bool[Tensor, "h w"]],
) -> Scores:
    done, others, ground, psnr = [], [], [], []
    rows = zip(asked, before, bases, looks(judge, images), images, outside, strict=True)
    for case, (was, old), base, (found, now), image, mask in rows:
        done.append(case.is_done(found, now))
        others += [bool(seen(noun, found)) for noun in case.others if seen(noun, was)]
        if case.ground is None:
            ground.append(now == old)
            gap = (pixels_of(base, *base.size) - pixels_of(image, *base.size))[0, :, mask] / 2
            psnr.append(-10 * math.log10(max(float(gap.square().mean()), 1e-12)))
    return Scores(done, others, ground, psnr)


def _outside(case: Case, result: Result) -> Bool[Tensor, "h w"]:
    """The pixels where neither picture of an edit has a place of the edited words."""
    assert result.maps is not None and result.base_maps is not None
    height, width = result.maps.size
    found = torch.zeros(height, width, dtype=torch.bool)
    words = {*case.words, case.noun or "", case.gone or ""} - {""}
    replaced = set(case.base.split()) - set(case.edit.split())
    for maps, named in ((result.maps, words), (result.base_maps, replaced | words)):
        known = words_of(maps.prompt, maps.tokens)
        for word in sorted(named & {each.text for each in known}):
            found |= place(maps, tokens_of(known, word, None), (height, width), THRESHOLD)
    return ~found


if __name__ == "__main__":
    sys.exit(main())
