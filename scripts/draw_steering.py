"""Draws the picture of docs/steering.md: `python -m scripts.draw_steering`."""

import argparse
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.enlarging.view import enlarged

PROMPT = "an apple and a banana"
SIDE, GAP, LINE = 192, 8, 22
LEFT, RIGHT, ABOVE, BELOW = "0,0,0.5,1", "0.5,0,1,1", "0,0,1,0.5", "0,0.5,1,1"
ROWS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("nothing painted", {}),
    ("apple left, banana right", {"paint": (f"apple@{LEFT}", f"banana@{RIGHT}")}),
    ("banana left, apple right", {"paint": (f"banana@{LEFT}", f"apple@{RIGHT}")}),
    ("apple above, banana below", {"paint": (f"apple@{ABOVE}", f"banana@{BELOW}")}),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("docs/images/steering.png"))
    parser.add_argument("--model", default="default")
    parser.add_argument("--seeds", type=int, nargs="+", default=[5, 6, 7])
    options = parser.parse_args()
    output, seeds = options.output, options.seeds
    pipe = TextToImagePipeline.from_pretrained(options.model, device="cpu")
    requests = [GenerationRequest(prompt=PROMPT, seed=seed, **fields) for _, fields in ROWS for seed in seeds]
    pictures = [enlarged(result.image, (SIDE, SIDE)) for result in pipe(requests)]
    sheet = Image.new(
        "RGB", (len(seeds) * (SIDE + GAP) + GAP, len(ROWS) * (SIDE + LINE + GAP) + GAP), "white"
    )
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for i, (name, _) in enumerate(ROWS):
        top = GAP + i * (SIDE + LINE + GAP)
        draw.text((GAP, top), name, "black", font)
        for j, picture in enumerate(pictures[i * len(seeds) : (i + 1) * len(seeds)]):
            sheet.paste(picture, (GAP + j * (SIDE + GAP), top + LINE))
    sheet.save(output, optimize=True)
    print(output)


if __name__ == "__main__":
    main()
