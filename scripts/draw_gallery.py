"""Draws the README's picture: prompts, their pictures by the default model, and the map of one word of each.

python -m scripts.draw_gallery docs/images/gallery.png
"""

import sys
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
SIDE, GAP, CAPTION = 192, 12, 56
SEED = 1


def lit(result: Result, word: str) -> Image.Image:
    """The picture, dimmed where the word's map is low; the map is stretched to its own range."""
    values = result.maps.word(word).numpy()
    light = (values - values.min()) / max(float(np.ptp(values)), 1e-8)
    pixels = np.asarray(result.image, dtype=np.float32) * (0.15 + 0.85 * light[..., None])
    return Image.fromarray(pixels.round().astype(np.uint8))


def main(path: Path) -> None:
    pipe = TextToImagePipeline.from_pretrained("default", device="cpu")
    results = pipe([GenerationRequest(prompt=p, seed=SEED, record="grid") for p in PROMPTS])
    width = len(PROMPTS) * (SIDE + GAP) + GAP
    sheet = Image.new("RGB", (width, 2 * (SIDE + GAP) + GAP + CAPTION), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=14)
    for column, (result, (prompt, word)) in enumerate(zip(results, PROMPTS.items(), strict=True)):
        x = GAP + column * (SIDE + GAP)
        for row, picture in enumerate((result.image, lit(result, word))):
            sheet.paste(picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC), (x, GAP + row * (SIDE + GAP)))
        caption = "\n".join(textwrap.wrap(prompt, width=26))
        draw.text((x, GAP + 2 * (SIDE + GAP)), caption, fill="black", font=font)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
