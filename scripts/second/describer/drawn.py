"""The describer and the judge on pictures that a model draws: two readers that were trained apart."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.describer.default import DefaultDescriber
from limelight.pipeline.describer.vocabulary import Words
from scripts.describer.said import Said, said_in
from scripts.describer.scores import written_captions
from scripts.describer.texts import Gallery
from scripts.second.describer.words import COMMON
from scripts.second.scoring.drawing import draw
from scripts.second.scoring.judge import LOOKS, Seen
from scripts.second.scoring.kept import load_judge
from scripts.second.scoring.tasks import TASKS, plain
from scripts.second.world.nouns import NOUNS
from scripts.second.world.places import PLACE_INDEX, PLACES
from scripts.second.world.scene import Scene

Marks = dict[str, list[bool]]
FIELDS = {"num_steps": 20, "guidance_scale": 3.0, "scheduler": "model"}  # as scripts.second.evaluate draws


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--drawer", type=Path, help="folder of a model that draws; without, none is drawn")
    parser.add_argument("--drawn", type=int, default=20, help="prompts of each task that are drawn")
    parser.add_argument("--judge", type=Path, help="run of stage `judge`; the judge that is kept if omitted")


def score_drawn(describer: DefaultDescriber, gallery: Gallery, arguments: argparse.Namespace) -> None:
    if arguments.drawer is None:
        print("no --drawer: no pictures are drawn")
        return
    pipe, judge = TextToImagePipeline.from_pretrained(arguments.drawer), load_judge(arguments.judge)
    marks: Marks = {}
    for task in TASKS:
        scenes = task.scenes(arguments.drawn, COMMON)
        images = draw(pipe, [plain(scene) for scene in scenes], 1, FIELDS, task.name)
        texts = [
            [describer.words.tokens[id] for id in written.ids]
            for written in written_captions(describer.reader, describer.words, images)
        ]
        for name, found in agreement(scenes, texts, judge.look(images), describer.words).items():
            marks.setdefault(name, []).extend(found)
    print("| on drawn pictures | number | share |\n|---|--:|--:|")
    for name, found in marks.items():
        print(f"| {name} | {len(found)} | {np.mean(found):.3f} |")


def agreement(
    scenes: Sequence[Scene], texts: Sequence[Sequence[str]], judged: Sequence[Seen], words: Words
) -> Marks:
    """Whether the captions of pictures say what the judge sees, and what was asked for."""
    marks: Marks = {}

    def mark(name: str, is_right: bool) -> None:
        marks.setdefault(name, []).append(is_right)

    for scene, text, seen in zip(scenes, texts, judged, strict=True):
        said = said_in(text, words)
        wanted = sorted(thing.noun for thing in scene.things for _ in range(thing.count))
        named = sorted(thing.noun or "something" for thing in said.things for _ in range(thing.count))
        found = sorted(NOUNS[each.noun].word for each in seen.things)
        mark("things: describer and judge agree", named == found)
        mark("things: the describer names what the prompt names", named == wanted)
        mark("things: the judge names what the prompt names", found == wanted)
        if found == wanted:
            mark("things: they agree where the judge names what the prompt names", named == found)
        mark("place or ground: they agree", (said.place or said.ground) == seen.setting)
        if scene.place is not None and PLACES[PLACE_INDEX[scene.place]].outdoors:
            mark("time: they agree", (said.time or "day") == seen.time)
        mark("style: they agree", (said.style or "3d") == seen.style)
        for is_equal in _looks(scene, said, seen):
            mark("colours and materials of things that both name: they agree", is_equal)
    return marks


def _looks(scene: Scene, said: Said, seen: Seen) -> list[bool]:
    """For each thing that both name and whose look the prompt names, whether they see the same. The judge
    does not know the colours of art as it is."""
    judged = {NOUNS[each.noun].word: LOOKS[each.look] for each in seen.things}
    asked = {thing.noun for thing in scene.things if thing.colour or thing.material}
    return [
        thing.look == judged[thing.noun]
        for thing in said.things
        if thing.noun in judged and thing.noun in asked
    ]
