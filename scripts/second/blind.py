"""A blind viewing: `python -m scripts.second.blind make FOLDER --model NEW --old OLD` shuffles new pictures,
true renders and the old model's into sheets without captions; `... read FOLDER` makes a table of the answers.

Viewers get the sheets and a form, and write for every picture what it shows and how charming it is, from 1 to
5. The key stays behind.
"""

import argparse
import csv
import json
import sys
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from scripts.second.scoring.drawing import fields_of, load, num_nouns, results
from scripts.second.scoring.tasks import OFFSETS, plain
from scripts.second.training.config import TWO_CORES
from scripts.second.training.data import World
from scripts.second.world.nouns import CORE
from scripts.second.world.phrases import SYNONYMS
from scripts.second.world.sampling import Mixture, sample_scene
from scripts.second.world.scene import Scene

COUNTS = {"new": 48, "render": 16, "old": 16}
SIDE, COLUMNS, ROWS = 256, 5, 4
OLD = {"num_steps": 25, "guidance_scale": 3.0, "scheduler": "model"}
KEY, FORM = "key.json", "answers.csv"
HEADS = ("number", "what it shows", "charm 1-5")
MIXTURE = Mixture(
    single=0.6, pair=0.4, three=0.0, posed=0.0, sized=0.0, worn=0.0, weather=0.0, said=1.0, odd=0.2
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=("make", "read"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="default", help="the new model")
    parser.add_argument(
        "--old", help="folder of the model that it is compared with; none are shown if omitted"
    )
    parser.add_argument(
        "--world", type=Path, default=Path("build/world2"), help="folder that scripts.build_dataset wrote"
    )
    for kind, count in COUNTS.items():
        parser.add_argument(f"--{kind}-pictures", type=int, default=count)
    parser.add_argument("--steps", type=int, default=20, help="of a new picture")
    parser.add_argument("--guidance", type=float, default=3.0, help="of a new picture")
    parser.add_argument("--scheduler", default="model", help="of a new picture")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.action == "read":
        print(table(options.folder))
        return 0
    pipes = {"new": load(options.model)}
    if options.old:
        pipes["old"] = load(options.old)
    nouns = {kind: num_nouns(pipe.model) for kind, pipe in pipes.items()}
    rng = Random(options.seed)
    scenes = {
        kind: scenes_of(kind, getattr(options, f"{kind}_pictures"), rng, nouns.get(kind, nouns["new"]))
        for kind in COUNTS
        if kind != "old" or options.old
    }
    world = World(options.world, replace(TWO_CORES.mixture, nouns=nouns["new"]), TWO_CORES.seed)
    pictures = {
        kind: rendered(world, scenes[kind], rng)
        if kind == "render"
        else drawn(pipes[kind], scenes[kind], fields_of(options) if kind == "new" else OLD, kind)
        for kind in scenes
    }
    make(options.folder, scenes, pictures, rng)
    print(f"{options.folder}: show the sheets and {FORM} to a viewer, not {KEY}")
    return 0


def scenes_of(kind: str, count: int, rng: Random, nouns: int = CORE) -> list[Scene]:
    """Scenes of the first `nouns` nouns for one kind of picture. For the old model only scenes that it knows:
    plain grounds, colours, and four relations."""
    mixture = replace(MIXTURE, nouns=nouns)
    if kind == "old":
        mixture = replace(mixture, studio=1.0, material=0.0, styles=())
    found: list[Scene] = []
    while len(found) < count:
        scene = sample_scene(rng, mixture)
        if kind != "old" or scene.relation in (None, *OFFSETS):
            found.append(scene)
    return found


def drawn(
    pipe: TextToImagePipeline, scenes: list[Scene], fields: dict[str, Any], name: str
) -> list[Image.Image]:
    """One picture of each scene."""
    requests = [
        GenerationRequest(prompt=plain(scene), seed=number, **fields) for number, scene in enumerate(scenes)
    ]
    return [result.image for result in results(pipe, requests, name)]


def rendered(world: World, scenes: list[Scene], rng: Random) -> list[Image.Image]:
    """True renders of the scenes, as PIL images."""
    images = world.compose(scenes, rng).pictures.images.permute(0, 2, 3, 1).numpy()
    return [Image.fromarray((image * 255).round().astype(np.uint8)) for image in images]


def make(
    folder: Path, scenes: dict[str, list[Scene]], pictures: dict[str, list[Image.Image]], rng: Random
) -> None:
    """Writes the sheets, the form for the answers, and the key."""
    folder.mkdir(parents=True, exist_ok=True)
    deck = [(kind, number) for kind, found in pictures.items() for number in range(len(found))]
    rng.shuffle(deck)
    per_sheet = COLUMNS * ROWS
    for start in range(0, len(deck), per_sheet):
        sheet = Image.new("RGB", (COLUMNS * (SIDE + 8), ROWS * (SIDE + 24)), "white")
        for place, (kind, number) in enumerate(deck[start : start + per_sheet]):
            left, top = place % COLUMNS * (SIDE + 8), place // COLUMNS * (SIDE + 24)
            picture = pictures[kind][number].convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            sheet.paste(picture, (left, top + 20))
            ImageDraw.Draw(sheet).text((left + 4, top + 4), str(start + place + 1), fill="black")
        sheet.save(folder / f"sheet-{start // per_sheet + 1}.png")
    key = [
        {
            "kind": kind,
            "caption": plain(scenes[kind][number]),
            "nouns": [thing.noun for thing in scenes[kind][number].things],
        }
        for kind, number in deck
    ]
    (folder / KEY).write_text(json.dumps(key, indent=1))
    with (folder / FORM).open("w", newline="") as stream:
        csv.writer(stream).writerows([HEADS, *([number, "", ""] for number in range(1, len(deck) + 1))])


def table(folder: Path) -> str:
    """Markdown with a row for each kind of picture: how many pictures were answered, how many things were
    named, and the mean charm.

    Raises:
        ValueError: a charm is not 1 to 5.
    """
    key = json.loads((folder / KEY).read_text())
    marks: dict[str, list[tuple[float, int]]] = {kind: [] for kind in COUNTS}
    with (folder / FORM).open(newline="") as stream:
        for line in csv.DictReader(stream):
            text, charm = line[HEADS[1]].casefold(), line[HEADS[2]].strip()
            if not text and not charm:
                continue
            if charm not in ("1", "2", "3", "4", "5"):
                raise ValueError(f"picture {line[HEADS[0]]}: charm is {charm!r}; must be 1 to 5")
            entry = key[int(line[HEADS[0]]) - 1]
            named = [any(form in text for form in forms(noun)) for noun in entry["nouns"]]
            marks[entry["kind"]].append((sum(named) / len(named), int(charm)))
    lines = ["| pictures | answered | things named | charm |", "|---|--:|--:|--:|"]
    for kind, found in marks.items():
        if found:
            named, charm = np.mean(found, axis=0)
            lines.append(f"| {kind} | {len(found)} | {named:.2f} | {charm:.2f} |")
    return "\n".join(lines)


def forms(noun: str) -> tuple[str, ...]:
    """The texts that count as naming a noun when an answer contains one of them."""
    return (noun, *SYNONYMS.get(noun, ()), *(word for word in noun.split() if len(word) > 4))


if __name__ == "__main__":
    sys.exit(main())
