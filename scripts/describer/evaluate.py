"""Scores the describer in the box: `python -m scripts.describer.evaluate`.

Captions, answers and maps on composed scenes whose combinations training did not show or did show, art that
has no word, pictures of other worlds, and pictures that the default model draws, on which the describer is
compared with the judge, a detector that was trained apart from it.
"""

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.describer.default import FOLDER, DefaultDescriber
from limelight.pipeline.describer.description import KNOWN
from scripts.describer import data
from scripts.describer.captions import caption
from scripts.describer.said import SaidThing, said_in
from scripts.describer.scores import (
    answers_right,
    captions_right,
    named_rightly,
    regions_right,
    written_captions,
)
from scripts.describer.texts import Gallery, as_images
from scripts.training.scoring.judge import Found, trained_judge
from scripts.training.scoring.scores import TASKS, plain
from scripts.world.scene import Scene
from scripts.world.vocabulary import BACKGROUNDS, COLOURS, NOUNS

SEED = 41_000
COMBINATIONS = (("seen combinations", False), ("held-out combinations", True))
Part = Callable[[DefaultDescriber, Gallery, argparse.Namespace], None]


def main() -> None:
    parser = new_parser(__doc__, PARTS)
    parser.add_argument("--drawn", type=int, default=20, help="pictures of each task that are drawn")
    arguments = parser.parse_args()
    score(data.Gallery(Path("build/world"), Path("build/world2"), SEED, held_out=True), PARTS, arguments)


def new_parser(description: str | None, parts: Mapping[str, Part]) -> argparse.ArgumentParser:
    """The options that the scores of every world have."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=FOLDER)
    parser.add_argument("--scenes", type=int, default=500)
    parser.add_argument("--photos", type=Path, nargs="*", default=[], help="photographs, for the strangers")
    parser.add_argument("--only", choices=parts, nargs="+", default=list(parts))
    return parser


def score(gallery: Gallery, parts: Mapping[str, Part], arguments: argparse.Namespace) -> None:
    describer = DefaultDescriber.from_pretrained(arguments.model)
    for part in arguments.only:
        began = time.perf_counter()
        parts[part](describer, gallery, arguments)
        print(f"({time.perf_counter() - began:.0f} s)\n", flush=True)


def score_captions(describer: DefaultDescriber, gallery: Gallery, arguments: argparse.Namespace) -> None:
    print("| scenes | atom | right |\n|---|---|--:|")
    for name, held_out in COMBINATIONS:
        shown = gallery.sample(arguments.scenes, np.random.default_rng(SEED), held_out=held_out)
        for kind, rate in captions_right(describer.reader, describer.words, shown).items():
            print(f"| {name} | {kind} | {rate:.3f} |")


def score_answers(describer: DefaultDescriber, gallery: Gallery, arguments: argparse.Namespace) -> None:
    print("| question | asked | right |\n|---|--:|--:|")
    rng = np.random.default_rng(SEED + 1)
    shown = gallery.sample(arguments.scenes, rng)
    rates = answers_right(describer.reader, describer.words, gallery.kinds, shown, rng)
    for kind, (rate, count) in rates.items():
        print(f"| {kind} | {count} | {rate:.3f} |")


def score_maps(describer: DefaultDescriber, gallery: Gallery, arguments: argparse.Namespace) -> None:
    print(
        "| scenes | word | words | pointing | IoU at 0.3 | at 0.4 | at 0.5 |\n|---|---|--:|--:|--:|--:|--:|"
    )
    for name, held_out in COMBINATIONS:
        shown = gallery.sample(arguments.scenes, np.random.default_rng(SEED + 2), held_out=held_out)
        for kind, found in regions_right(describer.reader, describer.words, shown).items():
            words, *scores = found.values()
            print(f"| {name} | {kind} | {words:.0f} | {' | '.join(f'{score:.3f}' for score in scores)} |")


def score_unnamed(describer: DefaultDescriber, gallery: Gallery, arguments: argparse.Namespace) -> None:
    """Art that has no word and that training did not show."""
    shown = gallery.sample(4 * arguments.scenes, np.random.default_rng(SEED + 3), free=True)
    print("| thing, where some art has no word | things | named rightly |\n|---|--:|--:|")
    for name, has_word in (("has no word: something", False), ("has a word", True)):
        rate, count = named_rightly(
            describer.reader,
            describer.words,
            shown,
            lambda thing, wanted=has_word: (thing.noun is not None) is wanted,
        )
        print(f"| {name} | {count} | {rate:.3f} |")


def score_strangers(describer: DefaultDescriber, gallery: Gallery, arguments: argparse.Namespace) -> None:
    world = gallery.sample(arguments.scenes, np.random.default_rng(SEED + 4)).images
    others = as_images(gallery.strangers[:500])
    print("| pictures | number | taken for the world | mean score |\n|---|--:|--:|--:|")
    with torch.inference_mode():
        for name, images in (
            ("composed scenes", world),
            ("made of other things", others),
        ):
            known = torch.cat([describer.reader.look(part).known.sigmoid() for part in images.split(64)])
            print(f"| {name} | {len(known)} | {(known >= KNOWN).float().mean():.3f} | {known.mean():.3f} |")
    photos = [describer.describe(path) for path in arguments.photos]
    if photos:
        scores = np.array([each.known for each in photos])
        print(f"| photographs | {len(scores)} | {(scores >= KNOWN).mean():.3f} | {scores.mean():.3f} |")


def score_drawn(describer: DefaultDescriber, gallery: Gallery, arguments: argparse.Namespace) -> None:
    """The describer and the judge on pictures that the default model draws."""
    pipe = TextToImagePipeline.from_pretrained(device="cpu")
    judge = trained_judge()
    scenes = [scene for task in TASKS[:6] for scene in task.scenes(arguments.drawn)]
    images = [
        pipe(plain(scene), seed=SEED + number).image.convert("RGB") for number, scene in enumerate(scenes)
    ]
    pixels = torch.stack([as_tensor(image) for image in images])
    found, grounds = judge.look(pixels)
    texts = written_captions(describer.reader, describer.words, pixels)
    agreed: dict[str, list[bool]] = {}
    for scene, seen, ground, text in zip(scenes, found, grounds, texts, strict=True):
        named = said_in([describer.words.tokens[id] for id in text.ids], describer.words)
        things, place = named.things, named.ground
        wanted = sorted(noun.noun for noun in scene.things for _ in range(noun.count))
        said = sorted(thing.noun or "something" for thing in things for _ in range(thing.count))
        judged = sorted(NOUNS[each.noun].word for each in seen)
        marks = {
            "things: describer and judge agree": said == judged,
            "things: the describer names what the prompt names": said == wanted,
            "things: the judge names what the prompt names": judged == wanted,
            "place: describer and judge agree": place == tuple(BACKGROUNDS)[ground],
        }
        if judged == wanted:
            marks["things: they agree where the judge names what the prompt names"] = said == judged
        for name, mark in marks.items():
            agreed.setdefault(name, []).append(mark)
        for mark in colours_agree(scene, things, seen):
            agreed.setdefault("colours of things that both name: they agree", []).append(mark)
    print("| on drawn pictures | number | share |\n|---|--:|--:|")
    for name, marks_of in agreed.items():
        print(f"| {name} | {len(marks_of)} | {np.mean(marks_of):.3f} |")


def colours_agree(scene: Scene, things: Sequence[SaidThing], seen: Sequence[Found]) -> list[bool]:
    """For each thing that both name and whose colour the prompt names, whether they see the same colour. The
    judge does not know the colours of art as it is."""
    judged = {NOUNS[each.noun].word: tuple(COLOURS)[each.colour] for each in seen}
    coloured = {thing.noun for thing in scene.things if thing.colour}
    return [
        thing.look == judged[thing.noun]
        for thing in things
        if thing.noun in judged and thing.noun in coloured
    ]


def as_tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.asarray(image, np.float32)).permute(2, 0, 1) / 127.5 - 1


def score_time(describer: DefaultDescriber, gallery: Gallery, arguments: argparse.Namespace) -> None:
    """One picture on one core, with and without the cache of keys and values."""
    from limelight.pipeline.describer.vocabulary import DESCRIBE, END
    from limelight.pipeline.describer.writing import write

    torch.set_num_threads(1)
    shown = gallery.sample(20, np.random.default_rng(SEED + 5))
    begin, end = describer.words.ids([DESCRIBE, END])
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(3):
        for image in shown.images:
            texts = []
            for cached in (True, False):
                began = time.perf_counter()
                with torch.inference_mode():
                    seen = describer.reader.look(image[None])
                texts.append(
                    write(describer.reader, seen, torch.tensor([[begin]]), end=end, cached=cached)[0]
                )
                seconds[cached].append(time.perf_counter() - began)
            assert texts[0].ids == texts[1].ids
    words = np.mean([len(caption(view, describer.words)) for view in shown.views])
    with_cache, without = (np.median(seconds[cached]) for cached in (True, False))
    print(f"a caption of {words:.0f} words, one thread: {with_cache * 1000:.0f} ms with the cache,")
    print(f"{without * 1000:.0f} ms without, {without / with_cache:.2f} times as long; the same words")


PARTS = {
    "captions": score_captions,
    "answers": score_answers,
    "maps": score_maps,
    "unnamed": score_unnamed,
    "strangers": score_strangers,
    "drawn": score_drawn,
    "time": score_time,
}

if __name__ == "__main__":
    main()
