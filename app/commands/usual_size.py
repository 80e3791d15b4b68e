"""The size of pictures that are made from images, where the caller gives none."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from limelight.app import report
from limelight.pipeline.requests.input_image import InputImage, fit, usual_size
from limelight.pipeline.requests.request import GenerationRequest

if TYPE_CHECKING:  # the module loads torch
    from limelight.pipeline.text_to_image import TextToImagePipeline

Completed = Callable[["TextToImagePipeline", Sequence[GenerationRequest]], list[GenerationRequest]]
SIZES = ("width", "height", "padding_mask_crop")
LARGEST = 1024, 1024  # the size of the largest models


def usual_size_of(given: Mapping[str, Any]) -> Completed | None:
    """`at_usual_size` for fields that give an image and no size of the picture."""
    return at_usual_size if given.get("image") is not None and not set(SIZES) & set(given) else None


def readable_size(given: Mapping[str, Any]) -> dict[str, Any]:
    """Fields that are not too large for any model: an image without a size is read, and a photograph of many
    pixels gets a size that `at_usual_size` makes smaller still.

    Raises:
        RequestError: the image cannot be read.
    """
    if usual_size_of(given) is None:
        return dict(given)
    image = InputImage.read("image", given["image"], "RGB")
    width, height = usual_size(image.size, LARGEST)
    return {**given, "image": image, "width": width, "height": height}


def at_usual_size(
    pipe: "TextToImagePipeline", requests: Sequence[GenerationRequest]
) -> list[GenerationRequest]:
    """The requests; of an image with many more pixels than the model was trained on, the picture gets fewer,
    and a message says so."""
    image = requests[0].image
    assert isinstance(image, InputImage), "read by `readable_size`"
    width, height = pipe.model.size_for(image.size)
    if (width, height) != fit(image, None, None):
        own = "x".join(map(str, image.size))
        report.complain(
            f"the image has {own} pixels; the picture is drawn at {width}x{height}, near the size that this "
            "model was trained on; --size draws at another"
        )
    return [replace(request, width=width, height=height) for request in requests]
