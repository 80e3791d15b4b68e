"""Draws the picture of docs/steering.md: `python -m scripts.draw_steering`."""

import argparse
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from limelight.pipeline import GenerationRequest, TextToImagePipeline

SIDE, GAP, LINE = 192, 8, 22
LEFT, RIGHT = "0,0,0.5,1", "0.5,0,1,1"
ROWS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("nothing painted", {}),
    ("apple left, banana right", {"paint": (f"apple@{LEFT}", f"banana@{RIGHT}")}),
    ("banana left, apple right", {"paint": (f"banana@{LEFT}", f"apple@{RIGHT}")}),
)
SEEDS = (5, 6, 7)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("docs/images/steering.png"))
    output = parser.parse_args().output
    pipe = TextToImagePipeline.from_pretrained("default", device="cpu")
    requests = [
        GenerationRequest(prompt="an apple and a banana", seed=seed, **fields)
        for _, fields in ROWS
        for seed in SEEDS
    ]
    pictures = [result.image.resize((SIDE, SIDE), Image.Resampling.LANCZOS) for result in pipe(requests)]
    sheet = Image.new(
        "RGB", (len(SEEDS) * (SIDE + GAP) + GAP, len(ROWS) * (SIDE + LINE + GAP) + GAP), "white"
    )
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for i, (name, _) in enumerate(ROWS):
        top = GAP + i * (SIDE + LINE + GAP)
        draw.text((GAP, top), name, "black", font)
        for j, picture in enumerate(pictures[i * len(SEEDS) : (i + 1) * len(SEEDS)]):
            sheet.paste(picture, (GAP + j * (SIDE + GAP), top + LINE))
    sheet.save(output, optimize=True)
    print(output)


if __name__ == "__main__":
    main()
