"""Draws the README's picture: prompts, their pictures, and the map of one word of each. `python -m
scripts.draw_gallery gallery.png`; with several seeds it draws a sheet of each, to choose from."""

import argparse
import textwrap
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from limelight.pipeline import GenerationRequest, Result, TextToImagePipeline

PROMPTS = {  # prompt: the word that is lit up
    "a red apple on a blue background": "apple",
    "a green frog above a yellow banana on a purple background": "frog",
    "a yellow umbrella on a brown background": "umbrella",
    "a cat to the left of a star on a teal background": "cat",
    "a strawberry to the left of a penguin on a pink background": "penguin",
    "four lemons on a teal background": "lemons",
}
SIDE, GAP, CAPTION = 256, 12, 56
ENLARGED = 4


def lit(result: Result, word: str) -> Image.Image:
    """The picture, dimmed where the word's map is low; the map is stretched to its own range."""
    values = result.maps.word(word).numpy()
    light = (values - values.min()) / max(float(np.ptp(values)), 1e-8)
    mask = Image.fromarray((light * 255).round().astype(np.uint8))
    light = np.asarray(mask.resize(result.image.size, Image.Resampling.BICUBIC), np.float32) / 255
    pixels = np.asarray(result.image.convert("RGB"), np.float32) * (0.15 + 0.85 * light[..., None])
    return Image.fromarray(pixels.round().astype(np.uint8))


def sheet_of(pipe: TextToImagePipeline, seed: int) -> Image.Image:
    """The pictures, enlarged, and below each where its word acted."""
    asked = [GenerationRequest(prompt=each, seed=seed, record="grid", enlarge=ENLARGED) for each in PROMPTS]
    width = len(PROMPTS) * (SIDE + GAP) + GAP
    sheet = Image.new("RGB", (width, 2 * (SIDE + GAP) + GAP + CAPTION), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=16)
    for column, (result, (prompt, word)) in enumerate(zip(pipe(asked), PROMPTS.items(), strict=True)):
        x = GAP + column * (SIDE + GAP)
        for row, picture in enumerate((result.image, lit(result, word))):
            shown = picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            sheet.paste(shown, (x, GAP + row * (SIDE + GAP)))
        caption = "\n".join(textwrap.wrap(prompt, width=30))
        draw.text((x, GAP + 2 * (SIDE + GAP)), caption, fill="black", font=font)
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--model", default="default")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    options = parser.parse_args()
    pipe = TextToImagePipeline.from_pretrained(options.model, device="cpu")
    options.path.parent.mkdir(parents=True, exist_ok=True)
    for seed in options.seeds:
        name = options.path.stem if len(options.seeds) == 1 else f"{options.path.stem}-{seed}"
        path = options.path.with_name(name + options.path.suffix)
        sheet_of(pipe, seed).save(path, optimize=True)
        print(path)


if __name__ == "__main__":
    main()
