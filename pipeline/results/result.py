"""The results of drawing: a picture with its record, and the steps before it."""

import functools
import hashlib
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from pathlib import Path
from textwrap import shorten
from typing import Any

from PIL import Image
from torch import Tensor

from limelight.attention import Choice
from limelight.pipeline.enlarging.view import enlarged_to
from limelight.pipeline.maps.heatmaps import HeatMaps
from limelight.pipeline.models.model import Model
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.results.png import save_png
from limelight.pipeline.results.sheet import TILE


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A finished picture.

    Attributes:
        request: the request, with the model's values in its open fields.
        info: the picture's record, ready for JSON; `save` writes it into the PNG.
        maps: where each word acted; None unless the request records.
        base: the picture that an edit keeps; None of others.
        base_maps: where each word acted there; None unless the request records.
        latent: 1 c h w, float32, as the U-Net takes it: what another request can begin from.
    """

    image: Image.Image
    request: GenerationRequest
    info: Mapping[str, Any] = field(repr=False)
    maps: HeatMaps | None = None
    base: Image.Image | None = None
    base_maps: HeatMaps | None = None
    latent: Tensor | None = field(default=None, repr=False)

    @property
    def base_psnr(self) -> float | None:
        """How near `base` comes to the image of an edit, in dB; None of others.

        It was drawn from the noise that the image was turned into, so this is the error of that inversion.
        """
        return self.info.get("base_psnr")

    @property
    def file_name(self) -> str:
        """A name that is equal for equal pictures and contains nothing of the prompt."""
        adapters = self.info.get("adapters", [])
        enlarger = [each for each in [self.info.get("enlarged", {}).get("sha256")] if each]
        made_by = json.dumps(
            [self.request.to_dict(), self.info["model"]["hash"], adapters, *enlarger], sort_keys=True
        )
        return f"{hashlib.sha256(made_by.encode()).hexdigest()[:10]}-seed{self.request.seed}.png"

    def __repr__(self) -> str:
        kept = ", maps" if self.maps is not None else ""
        size = f"{self.image.width}x{self.image.height}"
        return f"Result({shorten(self.request.prompt, 60)!r}, seed {self.request.seed}, {size}{kept})"

    def _repr_html_(self) -> str | None:
        """Shown by a notebook where there are maps: the picture, and its words to light up."""
        return None if self.maps is None else self.maps._repr_html_()

    def _repr_png_(self) -> bytes:
        """The picture as a notebook shows it: a small one enlarged, to be looked at."""
        file = BytesIO()
        enlarged_to(self.image, TILE).save(file, "PNG")
        return file.getvalue()

    def save(self, path: str | Path) -> Path:
        """Writes the PNG with its record, atomically.

        Raises:
            OutputError: the folder cannot be written to.
        """
        return save_png(self.image, self.info, Path(path))


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One prediction for one request. The last step of a request has its result or its error, or, in a
    session that decodes later, `finish`.

    Attributes:
        id: number of the request among those given, from 0.
        index: predictions made so far, 1 to `count`; second-order schedulers need up to two per step.
        preview: draws a rough picture of the result so far, at almost no cost; None before the first.
        maps: where each word acted so far, a view that costs nothing; None unless the request records.
        finish: decodes the picture, or raises `PictureError`. Any thread may call it, but only one at a time
            for one model.
    """

    id: int
    request: GenerationRequest
    index: int
    count: int
    preview: Callable[[], Image.Image] | None
    maps: HeatMaps | None = None
    result: Result | None = None
    error: Exception | None = None
    finish: Callable[[], Result] | None = None

    @classmethod
    def refused(cls, id: int, request: GenerationRequest, error: Exception) -> "Step":
        """The only step of a request that failed before its first prediction."""
        count = request.num_steps
        return cls(id=id, request=request, index=count, count=count, preview=None, error=error)

    @property
    def is_last(self) -> bool:
        """Whether the request is no longer in flight."""
        return (self.result or self.error or self.finish) is not None


def make_record(
    request: GenerationRequest, model: Model, plans: Sequence[Mapping[str, Choice]], retries: Sequence[str]
) -> dict[str, Any]:
    """The picture's record: everything that it depends on, ready for JSON.

    Args:
        plans: the plan of each pass.
    """
    unet = model.unet
    kinds = {site.name: site.kind for site in unet.sites}
    used: dict[str, set[str]] = {}
    for site, choice in (pair for plan in plans for pair in plan.items()):
        used.setdefault(kinds[site], set()).add(f"{choice.backend.name} ({choice.kernel})")
    return {
        "limelight": version_of("limelight"),
        "request": request.to_dict(),
        "model": {"name": model.name, "family": model.family.name, "hash": model.hash.result()},
        "adapters": model.adapters.record(),
        "attention": {kind: sorted(names) for kind, names in sorted(used.items())},
        "retries": list(retries),
        "device": unet.device.type,
        "dtype": str(unet.dtype).removeprefix("torch."),
        "filter_bytes": unet.filter_bytes,
        "versions": {
            "python": platform.python_version(),
            **{package: version_of(package) for package in ("torch", "diffusers", "transformers")},
        },
    }


@functools.cache  # it is read from a file, which takes a millisecond
def version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "unknown"
