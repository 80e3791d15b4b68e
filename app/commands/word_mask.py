"""`--mask-word`: the part of an image that a word names, drawn again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limelight.app import report
from limelight.pipeline.errors import UsageError
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.results.png import NoRecord, read_record

if TYPE_CHECKING:  # the module loads torch
    from limelight.pipeline.text_to_image import TextToImagePipeline


@dataclass(frozen=True, slots=True)
class WordMask:
    """Finds a word in the image of requests, saves the mask, and gives it to the requests.

    Attributes:
        prompt: describes the image.
        path: where the mask is saved.
    """

    word: str
    prompt: str
    path: Path

    @classmethod
    def of(cls, word: str, asked: Mapping[str, Any], output: Path, count: int) -> "WordMask":
        """
        Args:
            asked: the fields that were given; the image is the path of a file.
            output: where the pictures go, and `count` is their number.

        Raises:
            UsageError: there is no image to find the word in, or a mask is given too.
        """
        if not word.strip():
            raise UsageError("mask-word is empty; name what is to be drawn again, such as --mask-word apple")
        if asked.get("image") is None:
            raise UsageError("mask-word finds a word in an image; give the image by --image FILE")
        if asked.get("mask") is not None:
            raise UsageError("mask and mask-word are both given; leave one of them out")
        is_folder = count > 1 or output.is_dir() or not output.suffix
        path = output / "mask.png" if is_folder else output.with_name(f"{output.stem}-mask.png")
        return cls(word, _described(asked["image"], word), path)

    def __call__(
        self, pipe: "TextToImagePipeline", requests: Sequence[GenerationRequest]
    ) -> list[GenerationRequest]:
        image = requests[0].image
        assert image is not None, "checked by `of`"
        mask = pipe.word_mask(image, self.word, prompt=self.prompt)
        share = mask.histogram()[255] / (mask.width * mask.height)
        mask.save(self.path)
        report.say(f"{self.path}  ({self.word!r} is found in {share:.0%} of the picture)")
        return [replace(request, mask=mask).opened() for request in requests]


def _described(image: str | Path, word: str) -> str:
    """The prompt that an image was drawn with, where the file says it and it has the word; else the word."""
    try:
        prompt = str(read_record(Path(image))["request"].get("prompt", ""))
    except NoRecord:
        return word
    return prompt if word.casefold() in prompt.casefold() else word
