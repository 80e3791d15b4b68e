"""A picture, its record, and the error of a request that cannot be drawn."""

import sys
from pathlib import Path

from limelight import RequestError, TextToImagePipeline

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "outputs")
pipe = TextToImagePipeline.from_pretrained("default")

result = pipe("a red apple on a blue background", seed=7, num_steps=4)
path = result.save(folder / "apple.png")
print(f"{path}: {result.image.size}, scheduler {result.info['request']['scheduler']}")

try:
    pipe("a red apple", width=500)
except RequestError as error:
    print(f"refused: {error}")
