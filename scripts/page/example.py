"""Draws the picture that the page opens with: `python -m scripts.page.example`.

To be run again when the default model, or its best maps, change.
"""

import argparse
import base64
import json
import math
import sys
from pathlib import Path
from typing import Any

from limelight.app.ui.access.limits import Limits
from limelight.app.ui.access.visitor import Visitor
from limelight.app.ui.output.frames import Frames
from limelight.app.ui.output.pictures import small_url
from limelight.app.ui.page.page import EXAMPLES
from limelight.app.ui.page.viewer import STATIC
from limelight.app.ui.studio.job import Ticket
from limelight.app.ui.studio.studio import Studio
from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.results.png import enlarge_to_view

FIRST, WHOLE = "example.json", "example-whole.json"
REQUEST = GenerationRequest(prompt=EXAMPLES[0], seed=7, record="head")
KINDS = ("best", "grid", "heads")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="default")
    parser.add_argument("--folder", type=Path, default=STATIC, help="if not the page's own")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    whole = example(TextToImagePipeline.from_pretrained(options.model, device="cpu"))
    for name, picture in ((FIRST, first_of(whole)), (WHOLE, whole)):
        file = options.folder / name
        text = json.dumps(picture, separators=(",", ":"), sort_keys=True)
        file.write_text(text + "\n", encoding="utf-8")
        print(f"{file}: {file.stat().st_size / 1024:.0f} KiB")
    return 0


def first_of(whole: dict[str, Any]) -> dict[str, Any]:
    """The picture with its first light alone: all steps together, as the best heads see them."""
    layers = [first_frame(layer) for layer in whole["maps"]["views"][0]["layers"] if layer["kind"] == "best"]
    views = [whole["maps"]["views"][0] | {"layers": layers}]
    maps = whole["maps"] | {"views": views, "points": None}
    return whole | {"maps": maps, "film": [], "sites": [], "is_whole": False}


def first_frame(layer: dict[str, Any]) -> dict[str, Any]:
    """A layer cut to its first frame, which is the one of all steps together."""
    maps = len(base64.b64decode(layer["tops"])) // 4 // len(layer["frames"])
    size = maps * math.prod(layer["grid"])
    cut = {"tops": 4 * maps, "data": size}
    parts = {name: base64.b64encode(base64.b64decode(layer[name])[:n]).decode() for name, n in cut.items()}
    return layer | {"frames": layer["frames"][:1]} | parts


def example(pipe: TextToImagePipeline) -> dict[str, Any]:
    """The picture as the viewer takes it, with the hash of the model and without maps of single sites at
    single steps."""
    studio = Studio({"default": pipe}, Limits())
    try:
        ticket = Ticket(Visitor("example", ""), "default", "", REQUEST, lambda: None, id="example")
        for step in pipe.stream([REQUEST]):
            if step.result is None:
                ticket.take(step)
            else:
                ticket.finish(step.result)
                viewed = small_url(
                    enlarge_to_view(step.result).image
                )  # the page opens sooner than with a PNG
        picture = Frames(studio, "example", [ticket]).message()["pictures"][0]
    finally:
        studio.close()
    for view in picture["maps"]["views"]:
        view["layers"] = [layer for layer in view["layers"] if layer["kind"] in KINDS]
    for site in picture["sites"]:
        site["milliseconds"] = None  # of the machine that drew it
    return picture | {"viewed": viewed, "model_hash": pipe.model.hash.result(), "version": 0}


if __name__ == "__main__":
    sys.exit(main())
