"""Scores painted words: `python -m scripts.second.evaluate_painted --model DIR` draws things in random
quarters of the picture, by a bias on their tokens alone, and has the judge check where they are."""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
from diffusers import AutoencoderKL
from jaxtyping import Float
from torch import Tensor, nn
from transformers import CLIPTextModel

from limelight.unet import UNet
from scripts.second.scoring.judge import Judge, Seen
from scripts.second.scoring.judge_stage import trained_judge
from scripts.second.scoring.tasks import seen
from scripts.second.training.attention import SIDE
from scripts.second.training.config import TWO_CORES
from scripts.second.training.denoising import scheduler
from scripts.second.training.text import TextSide
from scripts.second.training.unet import sample
from scripts.second.world.captions import Caption, describe
from scripts.second.world.layout import PIXELS
from scripts.second.world.sampling import Mixture, sample_scene
from scripts.second.world.scene import Scene

STRENGTHS = (0.0, 2.0, 4.0, 6.0)
SEED = 40_000


@dataclass(frozen=True)
class Request:
    """A scene, its caption, and the quarter (0 to 3, row by row) in which each thing should be."""

    scene: Scene
    caption: Caption
    quarters: tuple[int, ...]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument(
        "--world", type=Path, default=Path("build/world2"), help="folder that scripts.build_dataset wrote"
    )
    parser.add_argument(
        "--run", type=Path, default=Path("build/train2"), help="folder of a run whose stage `judge` is done"
    )
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--things", type=int, default=2, choices=(1, 2, 3))
    options = parser.parse_args()
    text = TextSide(TWO_CORES.text, options.world / "tokenizer")
    encoder = CLIPTextModel.from_pretrained(options.model / "text_encoder", dtype=torch.float32)
    vae = AutoencoderKL.from_pretrained(options.model / "vae", torch_dtype=torch.float32)
    unet = UNet.from_pretrained(options.model / "unet", dtype=torch.float32)
    parts, judge = nn.ModuleDict({"unet": unet, "encoder": encoder}), trained_judge(options.run)
    asked = requests(options.requests, options.things, TWO_CORES.mixture.nouns)
    print("| nats | things found | found in their quarters |\n|--:|--:|--:|")
    for strength in STRENGTHS:
        images = draw(parts, vae, text, asked, strength)
        named, placed = shares(judge, images, asked)
        print(f"| {strength:g} | {named:.3f} | {placed:.3f} |", flush=True)
    return 0


def requests(count: int, things: int, nouns: int) -> list[Request]:
    """The first `count` requests; always the same."""
    kinds = {"single": float(things == 1), "pair": float(things == 2), "three": float(things == 3)}
    bare = dict.fromkeys(("related", "coloured", "material", "sized", "worn", "posed"), 0.0)
    mixture = Mixture(**kinds, **bare, studio=1.0, said=1.0, styles=(), nouns=nouns)
    rng, found = Random(f"{SEED} {things}"), []
    for _ in range(count):
        scene = sample_scene(rng, mixture)
        found.append(Request(scene, describe(scene, rng), tuple(rng.sample(range(4), things))))
    return found


def region(quarter: int) -> Float[Tensor, "k k"]:
    """A mask that is 1 in the quarter and 0 elsewhere."""
    half = SIDE // 2
    found = torch.zeros(SIDE, SIDE)
    top, left = quarter // 2 * half, quarter % 2 * half
    found[top : top + half, left : left + half] = 1
    return found


def paint_of(text: TextSide, asked: list[Request], strength: float) -> Float[Tensor, "b k k m"]:
    """The bias on the logits: for the tokens of each thing `+strength` in its quarter, `-strength`
    elsewhere."""
    names = text.tokens([request.caption for request in asked]).names
    paint = torch.zeros(len(asked), SIDE, SIDE, names.shape[1])
    for row, request in enumerate(asked):
        for number, quarter in enumerate(request.quarters):
            bias = strength * (2 * region(quarter) - 1)
            paint[row] += bias[..., None] * (names[row] == number)
    return paint


def draw(
    parts: nn.ModuleDict, vae: AutoencoderKL, text: TextSide, asked: list[Request], strength: float
) -> Float[Tensor, "b 3 h w"]:
    """Pictures of range -1..1; request i has seed i."""
    images = []
    for start in range(0, len(asked), 16):
        some = asked[start : start + 16]
        prompts = [request.caption.text for request in some]
        paint = paint_of(text, some, strength)
        images.append(sample(parts, vae, text, scheduler(TWO_CORES), prompts, paint=paint, seed=start))
    return torch.cat(images) * 2 - 1


def shares(judge: Judge, images: Float[Tensor, "b 3 h w"], asked: list[Request]) -> tuple[float, float]:
    """The share of things that the judge finds, and the share that is in the right quarter."""
    named, placed, total = 0, 0, 0
    for picture, request in zip(judge.look(images), asked, strict=True):
        found = marks(picture, request)
        named += sum(mark is not None for mark in found)
        placed += sum(mark is True for mark in found)
        total += len(found)
    return named / total, placed / total


def marks(picture: Seen, request: Request) -> list[bool | None]:
    """For each thing whether it is in its quarter; None for things that the judge does not find."""
    answers: list[bool | None] = []
    for thing, quarter in zip(request.scene.things, request.quarters, strict=True):
        found = seen(thing, picture.things)
        where = [2 * int(f.y >= PIXELS / 2) + int(f.x >= PIXELS / 2) for f in found]
        answers.append(quarter in where if found else None)
    return answers


if __name__ == "__main__":
    sys.exit(main())
