"""The pictures of docs/lessons/words-and-places.md: `python -m scripts.draw_lesson docs/images`."""

import sys
from pathlib import Path

from limelight import TextToImagePipeline

PICTURES = {
    "lesson-one.png": ("a red apple on a blue background", 7),
    "lesson-two.png": ("a red apple and a yellow banana on a blue background", 5),
    "lesson-unknown.png": ("a red zebra on a blue background", 7),
}


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images")
    pipe = TextToImagePipeline.from_pretrained("default", device="cpu")
    for name, (prompt, seed) in PICTURES.items():
        maps = pipe(prompt, seed=seed, record="grid").maps
        assert maps is not None
        sheet = maps.sheet()
        sheet.resize((sheet.width // 2, sheet.height // 2)).save(folder / name, optimize=True)
        print(folder / name)


if __name__ == "__main__":
    main()
