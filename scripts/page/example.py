"""Draws the picture that the page opens with: `python -m scripts.page.example`.

To be run again when the model in the box, or its best maps, change.
"""

import json
import sys
from typing import Any

from limelight.app.ui.access.limits import Limits
from limelight.app.ui.access.visitor import Visitor
from limelight.app.ui.output.frames import Frames
from limelight.app.ui.page.viewer import STATIC
from limelight.app.ui.studio.job import Ticket
from limelight.app.ui.studio.studio import Studio
from limelight.pipeline import GenerationRequest, TextToImagePipeline

FILE = STATIC / "example.json"
REQUEST = GenerationRequest(prompt="a red apple on a blue background", seed=7, record="head")
KINDS = ("best", "grid", "heads")


def main() -> int:
    pipe = TextToImagePipeline.from_pretrained("default", device="cpu")
    FILE.write_text(json.dumps(example(pipe), separators=(",", ":"), sort_keys=True) + "\n", encoding="utf-8")
    print(f"{FILE}: {FILE.stat().st_size / 1024:.0f} KiB")
    return 0


def example(pipe: TextToImagePipeline) -> dict[str, Any]:
    """The picture as the viewer takes it, with the hash of the model and without maps of single sites at
    single steps."""
    studio = Studio({"default": pipe}, Limits())
    try:
        ticket = Ticket(Visitor("example", ""), "default", "", REQUEST, lambda: None, id="example")
        ticket.finish(pipe(REQUEST))
        picture = Frames(studio, "example", [ticket]).message()["pictures"][0]
    finally:
        studio.close()
    for view in picture["maps"]["views"]:
        view["layers"] = [layer for layer in view["layers"] if layer["kind"] in KINDS]
    for site in picture["sites"]:
        site["milliseconds"] = None  # of the machine that drew it
    return picture | {"model_hash": pipe.model.hash.result(), "version": 0}


if __name__ == "__main__":
    sys.exit(main())
