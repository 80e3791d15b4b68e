"""The API reference of the public modules, as HTML, from their docstrings.

python -m scripts.build_reference build/reference
"""

import sys
import warnings
from pathlib import Path

MODULES = (
    "limelight.attention",
    "limelight.attention.registry",
    "limelight.errors",
    "limelight.pipeline.errors",
    "limelight.pipeline.maps.heatmaps",
    "limelight.pipeline.requests.request",
    "limelight.pipeline.results.result",
    "limelight.pipeline.sampling.engine",
    "limelight.pipeline.text_to_image",
    "limelight.unet",
)


def build(folder: Path) -> None:
    """Writes the pages; a docstring or name that pdoc cannot read is an error."""
    import pdoc

    pdoc.render.configure(docformat="google")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        pdoc.pdoc(*MODULES, output_directory=folder)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
