"""What a model gets right, task by task, after GenEval (Ghosh et al. 2023), in this world's own words."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from scripts.training.judge import COLOUR_NAMES, GROUND_NAMES, Judge, judged_scenes, views
from scripts.world.scene import Mixture, Scene
from scripts.world.vocabulary import NOUN_INDEX

SEED = 20_000


@dataclass(frozen=True)
class Task:
    """A kind of prompt; the words of a scene are always put in the same plain order."""

    name: str
    mixture: Mixture

    def prompts(self, count: int) -> tuple[list[Scene], list[str]]:
        scenes = judged_scenes(np.random.default_rng(SEED), self.mixture, count)
        return scenes, [plain(scene) for scene in scenes]


_ONE = {"single": 1.0, "pair": 0.0, "background_named": 1.0, "flat": 0.0, "sized": 0.0}
_TWO = {"single": 0.0, "pair": 1.0, "background_named": 1.0, "flat": 0.0, "sized": 0.0}
TASKS = (
    Task("single object", Mixture(**_ONE, coloured=0.0)),
    Task("colours", Mixture(**_ONE, coloured=1.0)),
    Task("colours, held out", Mixture(**_ONE, coloured=1.0, held_out=True)),
    Task("two objects, placed", Mixture(**_TWO, coloured=0.0)),
    Task("two objects, placed, held out", Mixture(**_TWO, coloured=0.0, held_out=True)),
    Task("attribute binding", Mixture(**_TWO, coloured=1.0)),
)
_PLACES = {"left": "to the left of", "right": "to the right of", "above": "above", "below": "below"}


def plain(scene: Scene) -> str:
    """The scene as a newcomer would type it."""
    phrases = []
    for thing in scene.things:
        words = [word for word in (thing.colour, thing.noun) if word]
        phrases.append(" ".join(["an" if words[0][0] in "aeiou" else "a", *words]))
    article = "an" if scene.background and scene.background[0] in "aeiou" else "a"
    joined = f" {_PLACES[scene.relation]} ".join(phrases) if scene.relation else phrases[0]
    return f"{joined} on {article} {scene.background} background"


def draw(model: str, prompts: list[str], seeds: int, steps: int, guidance: float) -> Float[Tensor, "b 3 h w"]:
    """Pictures in 0..1 of all prompts for seed 0, then for seed 1, and so on, through the project's own
    pipeline."""
    from pipeline import GenerationRequest, TextToImagePipeline

    pipe = TextToImagePipeline.from_pretrained(model)
    requests = [
        GenerationRequest(prompt=prompt, seed=seed, num_steps=steps, guidance_scale=guidance)
        for seed in range(seeds)
        for prompt in prompts
    ]
    images = [np.asarray(result.image, np.float32) / 255 for result in pipe(requests)]
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


@torch.no_grad()
def score(judge: Judge, images: Float[Tensor, "b 3 h w"], scenes: list[Scene]) -> dict[str, np.ndarray]:
    """For every picture whether nouns, colours (where asked) and ground are right, and all of these
    together."""
    names = ("noun", "colour", "ground", "all")
    right: dict[str, list[bool]] = {name: [] for name in names}
    for image, scene in zip(images, scenes, strict=True):
        seen = views(image * 2 - 1, scene)
        nouns, colours, grounds = (
            logits.argmax(1).tolist() for logits in judge(torch.stack([v for v, _ in seen]))
        )
        things = [thing for _, thing in seen]
        noun = all(NOUN_INDEX[thing.noun] == found for thing, found in zip(things, nouns, strict=True))
        colour = all(
            thing.colour in (None, COLOUR_NAMES[found]) for thing, found in zip(things, colours, strict=True)
        )
        ground = all(GROUND_NAMES[found] == scene.background for found in grounds)
        for name, value in zip(names, (noun, colour, ground, noun and colour and ground), strict=True):
            right[name].append(value)
    asked = any(thing.colour for scene in scenes for thing in scene.things)
    return {name: np.array(values, float) for name, values in right.items() if asked or name != "colour"}


def interval(right: np.ndarray, rng: np.random.Generator, draws: int = 2000) -> tuple[float, float]:
    """The bootstrap's 95 % interval of the mean."""
    means = right[rng.integers(0, len(right), (draws, len(right)))].mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
