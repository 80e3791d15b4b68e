"""The pictures of docs/lessons: `python -m scripts.draw_lesson docs/images`."""

import argparse
import textwrap
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from limelight import GenerationRequest, TextToImagePipeline
from limelight.pipeline.enlarging.view import enlarged

APPLE, WHITE = "a red apple on a blue background", "on a white background"
PICTURES = {  # sheets of words
    "lesson-one.png": (APPLE, 7),
    "lesson-two.png": ("a red apple and a yellow banana on a blue background", 5),
    "lesson-unknown.png": ("a red zebra on a blue background", 7),
}
ROWS = {  # pictures in a row: caption, prompt, seed, steps
    "lesson-seeds.png": [
        *((f"seed {seed}", APPLE, seed, 25) for seed in (7, 8, 9, 10)),
        *((f"no words, seed {seed}", "", seed, 25) for seed in (7, 8)),
    ],
    "lesson-steps.png": [(f"{n} step{'s' if n > 1 else ''}", APPLE, 7, n) for n in (1, 2, 4, 8, 25)],
    "lesson-pair.png": [(text, f"{text} on a green background", 3, 25) for text in ("a cat", "a dog")],
    "lesson-nobody.png": [
        (text, f"{text} {WHITE}", 7, 25) for text in ("a horse", "a girl", "a duck", "a tiger", "a cat")
    ],
    "lesson-data.png": [
        (text, f"{text} {WHITE}", 7, 25)
        for text in (
            "an umbrella",
            "a black cat",
            "a sad sun",
            "a house with a door",
            "four apples",
            "five apples",
        )
    ],
    "lesson-unseen.png": [
        (text, f"{text} {WHITE}", 7, 25)
        for text in (
            "a red moon",
            "a yellow cactus",
            "a green elephant",
            "a blue pineapple",
            "a green pineapple",
        )
    ],
}
SIDE, GAP, CAPTION = 128, 8, 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("docs/images"))
    parser.add_argument("--model", default="default")
    parser.add_argument("--only", nargs="*", default=[*PICTURES, *ROWS], help="names of pictures")
    options = parser.parse_args()
    folder = options.folder
    pipe = TextToImagePipeline.from_pretrained(options.model, device="cpu")
    for name, (prompt, seed) in PICTURES.items():
        if name not in options.only:
            continue
        maps = pipe(prompt, seed=seed, record="grid").maps
        assert maps is not None
        sheet = maps.sheet()
        sheet.resize((sheet.width // 2, sheet.height // 2)).save(folder / name, optimize=True)
        print(folder / name)
    for name, row in ROWS.items():
        if name not in options.only:
            continue
        _row(pipe, row).save(folder / name, optimize=True)
        print(folder / name)


def _row(pipe: TextToImagePipeline, row: Sequence[tuple[str, str, int, int]]) -> Image.Image:
    """Pictures next to each other, each with its caption below."""
    sheet = Image.new("RGB", (len(row) * (SIDE + GAP) + GAP, SIDE + GAP + CAPTION), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=13)
    for i, (caption, prompt, seed, steps) in enumerate(row):
        x = GAP + i * (SIDE + GAP)
        drawn = pipe(GenerationRequest(prompt=prompt, seed=seed, num_steps=steps)).image
        sheet.paste(enlarged(drawn, (SIDE, SIDE)), (x, GAP))
        draw.text((x, GAP + SIDE + 2), "\n".join(textwrap.wrap(caption, width=18)), fill="black", font=font)
    return sheet


if __name__ == "__main__":
    main()
