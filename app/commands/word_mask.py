"""`--mask-word` and `--mask-change`: draw the part of an image again that words name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limelight.app import report
from limelight.app.commands.check import FAILS
from limelight.pipeline.errors import UsageError
from limelight.pipeline.requests.fields import FIELDS
from limelight.pipeline.requests.input_image import InputImage
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.requests.values import Source
from limelight.pipeline.results.png import NoRecord, read_record

if TYPE_CHECKING:  # the module loads torch
    from PIL import Image

    from limelight.pipeline.text_to_image import TextToImagePipeline


@dataclass(frozen=True, slots=True)
class WordMask:
    """Finds a word in the image of requests, saves the mask, and gives it to the requests.

    Attributes:
        prompt: describes the image.
        path: where the mask is saved.
        other: takes the word's place in the prompt; the mask is then where that changes the image.
    """

    word: str
    prompt: str
    path: Path
    other: str | None = None

    @classmethod
    def of(
        cls, word: str | None, change: str | None, given: Mapping[str, Any], output: Path, count: int
    ) -> "WordMask | None":
        """The mask that the options request; None if they request none.

        Args:
            word: the value of --mask-word.
            change: the value of --mask-change, such as "apple->pear".
            given: the fields that were given; the image is a path.
            output: where the pictures are saved; `count` is their number.

        Raises:
            UsageError: a word is missing, there is no image to find it in, or a mask is given too.
        """
        if word is None and change is None:
            return None
        option = "mask-word" if change is None else "mask-change"
        if word is not None and change is not None:
            raise UsageError("mask-word and mask-change are both given; leave one of them out")
        old, arrow, new = (word or change or "").partition("->")
        if not old.strip() or (change is not None and not (arrow and new.strip())):
            example = "apple" if change is None else '"apple->pear"'
            given_text = word if change is None else change
            raise UsageError(f"{option} is {given_text!r}; name what is drawn again: --{option} {example}")
        if given.get("image") is None:
            raise UsageError(f"{option} finds a word in an image; give the image by --image FILE")
        if given.get("mask") is not None:
            raise UsageError(f"mask and {option} are both given; leave one of them out")
        for name in given:
            if FIELDS[name].needs == "mask":
                raise UsageError(
                    f"{name} and {option} are both given; draw with {option} first, which saves the mask, "
                    "and then give that by --mask FILE"
                )
        is_folder = count > 1 or output.is_dir() or not output.suffix
        path = output / "mask.png" if is_folder else output.with_name(f"{output.stem}-mask.png")
        old = word or old.strip()
        return cls(old, _described(given["image"], old), path, new.strip() if change else None)

    def __call__(
        self, pipe: "TextToImagePipeline", requests: Sequence[GenerationRequest]
    ) -> list[GenerationRequest]:
        image = requests[0].image
        assert image is not None, "checked by `of`"
        self._require_known(pipe)
        if self.other is None:
            mask, found = pipe.word_mask(image, self.word, prompt=self.prompt), f"{self.word!r} is found in"
        else:
            other = _replaced(self.prompt, self.word, self.other)
            mask, found = pipe.change_mask(image, self.prompt, other), f"{other!r} would change"
        share = mask.histogram()[255] / (mask.width * mask.height)
        mask.save(self.path)
        report.say(f"{self.path}  ({found} {share:.0%} of the picture)")
        if self._is_absent(image):
            report.complain(f"the picture may not show {self.word!r}; the mask is where it is likeliest")
        return [self._masked(request, mask).opened() for request in requests]

    def _is_absent(self, image: Source) -> bool:
        """Whether the describer, if it knows the picture's world and the word, does not see that in it."""
        from limelight.pipeline.describer.default import DefaultDescriber
        from limelight.pipeline.reading.described_check import check_by_describer

        picture = InputImage.read("image", image, "RGB").pixels
        found = check_by_describer(DefaultDescriber.from_pretrained(), picture, self.word)
        return found is not None and any(atom.score < FAILS for atom in found.atoms)

    def _require_known(self, pipe: "TextToImagePipeline") -> None:
        """Raises UsageError for words that a small model was not trained on: it would find something else."""
        from limelight.pipeline.text.encoder import words_of
        from limelight.pipeline.text.near import quoted
        from limelight.pipeline.text.vocabulary import explain

        words = words_of(self.word, pipe.model.text.prompt(self.word).tokens)
        vocabulary = pipe.model.vocabulary
        typed = [word.text for word in words if not word.is_learned]
        if vocabulary is not None and (offers := vocabulary.offers(typed)):
            raise UsageError(f"{quoted(self.word)} cannot be found in the image: {explain(offers)}")

    @staticmethod
    def _masked(request: GenerationRequest, mask: "Image.Image") -> GenerationRequest:
        """The request with the mask; outside it the image keeps its own pixels, where no map or steering asks
        for a picture that is drawn as a whole."""
        if request.record or request.uncompiled or request.padding_mask_crop is not None:
            return replace(request, mask=mask)
        return replace(request, mask=mask, padding_mask_crop=max(mask.size))


def _described(image: str | Path, word: str) -> str:
    """The prompt in an image's record, if it contains the word; otherwise the word."""
    try:
        prompt = str(read_record(Path(image))["request"].get("prompt", ""))
    except NoRecord:
        return word
    return prompt if _whole(word, prompt) is not None else word


def _replaced(prompt: str, word: str, other: str) -> str:
    """The prompt with another word in the place of the first that is equal but for capitals."""
    found = _whole(word, prompt)
    return prompt[: found[0]] + other + prompt[found[1] :] if found is not None else other


def _whole(word: str, prompt: str) -> tuple[int, int] | None:
    """Where the prompt has the word as a whole: *car* is not in "a carrot"."""
    low, wanted = prompt.lower(), word.lower()
    start = low.find(wanted)
    while start >= 0:
        end = start + len(wanted)
        if not (low[start - 1 : start].isalnum() or low[end : end + 1].isalnum()):
            return start, end
        start = low.find(wanted, start + 1)
    return None
