"""The record of what made a picture."""

import functools
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from limelight.attention import Choice
from limelight.pipeline.models.model import Model
from limelight.pipeline.requests.request import GenerationRequest


def make_record(
    request: GenerationRequest, model: Model, plans: Sequence[Mapping[str, Choice]], retries: Sequence[str]
) -> dict[str, Any]:
    """Everything that the picture depends on, ready for JSON.

    Args:
        plans: of each pass.
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
