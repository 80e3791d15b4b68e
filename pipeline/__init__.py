"""Draws pictures from prompts, and records where each word acted.

Public names are loaded on first use, so checking a request needs neither torch nor diffusers.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from limelight.pipeline.requests.request import GenerationRequest
    from limelight.pipeline.results.result import Result, Step
    from limelight.pipeline.text_to_image import TextToImagePipeline

__all__ = ["GenerationRequest", "Result", "Step", "TextToImagePipeline"]

_HOMES = {
    "GenerationRequest": "limelight.pipeline.requests.request",
    "Result": "limelight.pipeline.results.result",
    "Step": "limelight.pipeline.results.result",
    "TextToImagePipeline": "limelight.pipeline.text_to_image",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pipeline' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
