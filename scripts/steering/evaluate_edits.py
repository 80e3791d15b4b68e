"""Measures edits of the words of a picture: `python -m scripts.steering.evaluate_edits`.

An edit is done if the judge sees the new noun, the noun in its new colour, the new ground or place, or no
longer the noun whose weight is 0. Of what should stay, a thing counts if the judge saw it in the first
picture. PSNR is taken outside the places of the edited words, by the maps of both pictures of the edit
without blend, and not of edits of ground and place. The two other ways draw the new prompt with the same
seed, and with the first picture as `image`, at each strength.

With `--real` the first pictures are images of which nothing else is known: `drawn` ones are those that the
model draws, decoded; `composed` ones are scenes of which it drew none. PSNR outside is then from the image.
"""

import argparse
import sys
import time
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
from limelight.pipeline.latents.vae import decode, encode, normalise, pixels_of
from limelight.pipeline.maps.lookup import tokens_of
from limelight.pipeline.results.result import Result
from limelight.pipeline.sampling.edits.blend import place
from limelight.pipeline.text.encoder import words_of
from scripts.second.scoring.drawing import ROWS, add_options, fields_of, load, num_nouns
from scripts.second.scoring.judge import Judge, Seen
from scripts.second.scoring.kept import load_judge
from scripts.second.training.data import World
from scripts.second.world.layout import PIXELS
from scripts.second.world.sampling import Mixture
from scripts.steering.edit_cases import Case, cases, composed, named
from scripts.steering.edit_scores import COLUMNS, Edited, Kept, Outcome, by_kind, decibels, scores
from scripts.training.tools.grid import save_grid

STRENGTHS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
THRESHOLD = 0.3  # of a map's maximum, above which a word has a place
CHUNK = ROWS  # edits that are drawn before the rates so far are printed
Way = Callable[[Case, Image.Image], GenerationRequest]


def ways(fields: dict[str, Any], keep: str | None, *, is_real: bool) -> dict[str, Way]:
    """Name -> the request that edits a picture in that way."""
    own = {} if keep is None else {"keep": keep}

    def edit(case: Case, base: Image.Image) -> GenerationRequest:
        return GenerationRequest(
            prompt=case.edit,
            edit_of=case.base,
            seed=case.seed,
            scale_words=case.scales,
            record="grid",
            image=base if is_real else None,
            **fields,
            **own,
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
    add_options(parser)
    parser.add_argument("--edits", type=int, default=200)
    parser.add_argument("--seed", type=int, default=60_000)
    parser.add_argument("--real", choices=("drawn", "composed"), help="edit images")
    parser.add_argument("--world", type=Path, default=Path("build/world2"), help="what build_dataset made")
    parser.add_argument(
        "--keep", help="cross,self: fractions of the steps; the default of a request if omitted"
    )
    parser.add_argument(
        "--ways",
        nargs="*",
        help="beginnings of the names of ways to measure; all if omitted, and always the first",
    )
    parser.add_argument("--scores", type=Path, help="keeps what came of each edit; a run goes on from there")
    parser.add_argument("--pictures", type=Path, help="a PNG of all pictures: a row for each way, base first")
    arguments = parser.parse_args()
    pipe, judge = load(arguments.model), load_judge(arguments.run)
    nouns, fields = num_nouns(pipe.model), fields_of(arguments)
    asked = cases(arguments.edits, arguments.seed, nouns)
    chosen = ways(fields, arguments.keep, is_real=arguments.real is not None)
    first, *others = chosen
    if arguments.ways is not None:
        chosen = {
            name: chosen[name]
            for name in [first, *(n for n in others if n.startswith(tuple(arguments.ways)))]
        }
    names = ("model", "seed", "steps", "guidance", "scheduler", "real", "keep", "ways")
    kept = Kept(arguments.scores, {name: getattr(arguments, name) for name in names})
    world = World(arguments.world, Mixture(nouns=nouns), 0) if arguments.real == "composed" else None
    rows: list[tuple[Image.Image, ...]] = []
    before, began = len(kept.edits), time.perf_counter()
    while len(kept.edits) < len(asked):
        some = asked[len(kept.edits) :][:CHUNK]
        if world is not None:
            bases = composed(some, world)
        else:
            plain = [GenerationRequest(prompt=case.base, seed=case.seed, **fields) for case in some]
            bases = [result.image for result in pipe(plain)]
        drawn = {
            name: pipe([way(*pair) for pair in zip(some, bases, strict=True)]) for name, way in chosen.items()
        }
        kept.add(outcomes(pipe, judge, some, bases, drawn))
        rows += zip(bases, *([each.image for each in results] for results in drawn.values()), strict=True)
        rates = ", ".join(f"{kind} {rate:.2f}" for kind, rate in by_kind(kept.edits, first).items())
        made, left = len(kept.edits) - before, len(asked) - len(kept.edits)
        each = (time.perf_counter() - began) / made
        done = f"{len(kept.edits)} of {len(asked)} edits, {each:.1f} s each, {each * left:.0f} s left"
        print(f"{done}; done by {first}: {rates}", file=sys.stderr, flush=True)
    print("\n".join(table(kept.edits[: len(asked)])))
    if arguments.pictures and rows:
        flat = torch.cat([pixels_of(row[i], PIXELS, PIXELS) for i in range(len(rows[0])) for row in rows])
        save_grid(flat / 2 + 0.5, arguments.pictures, len(rows), scale=1)
    return 0


def table(edits: Sequence[Edited]) -> list[str]:
    """Lines of Markdown: each way, the kinds, and of images how near they come back."""
    rows = scores(edits)
    others = [name for name in rows if name.startswith("img2img")]
    best = max(others, key=lambda name: rows[name].balance, default="")
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for name, row in rows.items():
        lines.append(f"| {name}{' (best)' if name == best else ''} | {' | '.join(row.cells())} |")
    shown = [name for name in rows if name not in others or name == best]
    lines += ["", f"| edit done, by kind | {' | '.join(shown)} |", "|---" * (len(shown) + 1) + "|"]
    rates = {name: by_kind(edits, name) for name in shown}
    lines += [
        f"| {kind} | {' | '.join(f'{rates[n][kind]:.2f}' for n in shown)} |" for kind in rates[shown[0]]
    ]
    pairs = [(each.base_psnr, each.vae_psnr) for each in edits if each.base_psnr and each.vae_psnr]
    if pairs:
        base, vae = np.array(pairs).T
        lines += [
            "",
            f"Redrawn from its noise, an image comes back at {np.median(base):.1f} dB (median; "
            f"{base.min():.1f} to {base.max():.1f}), through the VAE alone at {np.median(vae):.1f} dB.",
        ]
    return lines


def outcomes(
    pipe: TextToImagePipeline,
    judge: Judge,
    asked: Sequence[Case],
    bases: Sequence[Image.Image],
    drawn: dict[str, list[Result]],
) -> list[Edited]:
    """What came of some edits.

    Args:
        drawn: the pictures of each way; the first is the edit, whose maps say where the words are.
    """
    first = next(iter(drawn.values()))
    outside = [_outside(case, result) for case, result in zip(asked, first, strict=True)]
    before = looks(judge, bases)
    after = {name: looks(judge, [each.image for each in results]) for name, results in drawn.items()}
    found = []
    for i, (case, base) in enumerate(zip(asked, bases, strict=True)):
        came = {
            name: outcome(case, before[i], after[name][i], base, drawn[name][i].image, outside[i])
            for name in drawn
        }
        psnr = first[i].base_psnr
        found.append(
            Edited(case.seed, case.kind, came, psnr, None if psnr is None else _through_vae(pipe, base))
        )
    return found


def outcome(
    case: Case, before: Seen, after: Seen, base: Image.Image, image: Image.Image, outside: Bool[Tensor, "h w"]
) -> Outcome:
    others = tuple(bool(named(noun, after)) for noun in case.others if named(noun, before))
    done = case.is_done(after)
    if case.setting is not None:
        return Outcome(done, others, None, None)
    gap = (pixels_of(base, *base.size) - pixels_of(image, *base.size))[0, :, outside] / 2
    return Outcome(done, others, after.setting == before.setting, float(gap.square().mean()))


def looks(judge: Judge, images: Sequence[Image.Image]) -> list[Seen]:
    """What the judge sees in each picture."""
    return judge.look(torch.cat([pixels_of(image.convert("RGB"), PIXELS, PIXELS) for image in images]))


def _through_vae(pipe: TextToImagePipeline, image: Image.Image) -> float:
    vae = pipe.model.vae
    there = normalise(vae, encode(vae, pixels_of(image, *image.size), None))
    gap = pixels_of(decode(vae, there), *image.size) - pixels_of(image, *image.size)
    return decibels(float((gap / 2).square().mean()))


def _outside(case: Case, result: Result) -> Bool[Tensor, "h w"]:
    """The pixels where neither picture of an edit has a place of the edited words."""
    assert result.maps is not None and result.base_maps is not None
    height, width = result.maps.size
    found = torch.zeros(height, width, dtype=torch.bool)
    words = {word for text in (*case.words, case.noun or "", case.gone or "") for word in text.split()}
    replaced = set(case.base.split()) - set(case.edit.split())
    for maps, said in ((result.maps, words), (result.base_maps, replaced | words)):
        known = words_of(maps.prompt, maps.tokens)
        for word in sorted(said & {each.text for each in known}):
            found |= place(maps, tokens_of(known, word, None), (height, width), THRESHOLD)
    return ~found


if __name__ == "__main__":
    sys.exit(main())
