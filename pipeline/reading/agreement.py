"""Whether a picture's prompt and a description of it say the same, and mean the same part of the picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor

from limelight.pipeline.describer.description import Description, SeenWord
from limelight.pipeline.maps.heatmaps import HeatMaps
from limelight.pipeline.segments import spelled
from limelight.pipeline.text.encoder import Word
from limelight.pipeline.text.lemmas import lemma
from limelight.pipeline.text.small_words import SMALL_WORDS

Mask = Bool[Tensor, "h w"]


@dataclass(frozen=True, slots=True)
class Pair:
    """A word of the prompt and one of the description, of one meaning.

    Attributes:
        iou: intersection over union of the words' parts of the picture, 0 to 1; None if a word has no map.
    """

    prompt: Word
    caption: SeenWord
    iou: float | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """The words of a prompt and of a description that stand for something, in the order of each text.

    Attributes:
        pairs: in the order of the prompt.
        only_prompt: words of the prompt that the description does not have.
        only_caption: words of the description that the prompt does not have.
    """

    pairs: tuple[Pair, ...]
    only_prompt: tuple[Word, ...]
    only_caption: tuple[SeenWord, ...]

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON: words with their spans in the prompt and in the description."""
        return {
            "pairs": [
                {
                    "prompt": _named(pair.prompt),
                    "caption": _named(pair.caption),
                    "iou": None if pair.iou is None else round(pair.iou, 3),
                }
                for pair in self.pairs
            ],
            "only_prompt": [_named(word) for word in self.only_prompt],
            "only_caption": [_named(word) for word in self.only_caption],
        }


def agreement(maps: HeatMaps, description: Description) -> Agreement:
    """Pairs the words of a prompt with those of a description of its picture, and compares where they are.

    Two words have one meaning if their `lemma` is equal. Where several have it, as in "a red apple and a red
    car", those that lie most nearly in one part of the picture are paired first.

    Args:
        maps: of the picture's prompt.
    """
    words = [word for word in maps.words() if _stands_for_something(word.text)]
    seen = [word for word in description.words if _stands_for_something(word.text)]
    pairs = alike([word.text for word in words], [word.text for word in seen])
    of_prompt = {i: _prompt_part(maps, words[i]) for i in {i for i, _ in pairs}}
    of_caption = {j: _caption_part(seen[j], maps.size) for j in {j for _, j in pairs}}
    found = {(i, j): _iou(of_prompt[i], of_caption[j]) for i, j in pairs}
    paired: dict[int, int] = {}
    for (i, j), _ in sorted(
        found.items(), key=lambda each: -1.0 if each[1] is None else each[1], reverse=True
    ):
        if i not in paired and j not in paired.values():
            paired[i] = j
    return Agreement(
        tuple(Pair(words[i], seen[j], found[i, j]) for i, j in sorted(paired.items())),
        tuple(word for i, word in enumerate(words) if i not in paired),
        tuple(word for j, word in enumerate(seen) if j not in paired.values()),
    )


def alike(words: Sequence[str], seen: Sequence[str]) -> list[tuple[int, int]]:
    """The numbers of words of a prompt and of a description that stand for something and have one meaning."""
    return [
        (i, j)
        for i, word in enumerate(words)
        for j, other in enumerate(seen)
        if _stands_for_something(word) and lemma(word) == lemma(other)
    ]


def part(map: Float[Tensor, "h w"]) -> Mask:
    """The part of a picture that a word's map means: where the map has at least half of its range.

    The least value is taken off, since a mean over many layers has a floor that says nothing of the word.
    `python -m scripts.evaluate_reading --only agreement` compares the rule with `hysteresis`: the IoU with
    exact masks is 0.846 (0.831 by hysteresis), that of a word's maps while drawing and in the finished
    picture 0.945 (0.954), that of two words 0.005 (0.011).
    """
    above = map - map.min()
    return (above >= above.max() / 2) & (above > 0)


def _prompt_part(maps: HeatMaps, word: Word) -> Mask | None:
    if not word.tokens:
        return None
    equal = [each for each in maps.words() if spelled(each.text) == spelled(word.text)]
    return part(maps.raw.word(word.text, equal.index(word)))


def _caption_part(word: SeenWord, size: tuple[int, int]) -> Mask | None:
    height, width = size
    region = word.region(width, height)
    return None if region is None else part(region)


def _iou(one: Mask | None, other: Mask | None) -> float | None:
    if one is None or other is None:
        return None
    other = other.to(one.device)
    return float((one & other).sum() / (one | other).sum().clamp(min=1))


def _stands_for_something(word: str) -> bool:
    return word.casefold() not in SMALL_WORDS


def _named(word: Word | SeenWord) -> dict[str, Any]:
    return {"word": word.text, "span": list(word.span)}
