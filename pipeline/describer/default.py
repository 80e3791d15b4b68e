"""A describer of the small kind, as the one in the box that reads pictures of the default model's world."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import torch
from jaxtyping import Float
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from limelight.files import UnreadableFile, read_json, require_regular_files
from limelight.pipeline.describer.description import KNOWN, Answer, Description, Picture, SeenWord
from limelight.pipeline.describer.doubt import sure_words
from limelight.pipeline.describer.network import GRID, Reader, ReaderConfig, Seen
from limelight.pipeline.describer.phrases import Token
from limelight.pipeline.describer.questions import Question, read
from limelight.pipeline.describer.vocabulary import ASK, DESCRIBE, END, Words, article, joined
from limelight.pipeline.describer.writing import MAX_WORDS, Written, write
from limelight.pipeline.errors import ModelError
from limelight.pipeline.requests.input_image import InputImage
from limelight.unet.weights.tensors import content_hash

FOLDER = Path(__file__).parents[1] / "default_describer"
UNKNOWN = "not of the world that this describer knows"
MIDDLE = 9 / 64  # of the side; what is nearer to the picture's centre is in the middle, as in training
SILENT = frozenset(
    (
        "a an the is there are of to on at in and next , ? how many what where no nothing yes "
        "it this does not show made time weather raining snowing dry special material"
    ).split()
)


@dataclass(frozen=True, slots=True)
class Fitted:
    """A picture in the middle of a square, and the rows and columns of the grid that it covers."""

    pixels: Float[Tensor, "1 3 h w"]
    rows: slice
    columns: slice


def unseen(tokens: Sequence[str], words: Words) -> set[int]:
    """The places in a text of words about time, weather and style, which are nowhere in the picture."""
    found = {at for at, word in enumerate(tokens) if word in words.times}
    if len(tokens) == 1 and tokens[0] in words.weathers:
        found.add(0)
    for phrases in (words.times, words.weathers, words.styles):
        for phrase in phrases.values():
            said = phrase.split()
            for at in range(len(tokens) - len(said) + 1):
                if said and list(tokens[at : at + len(said)]) == said:
                    found |= {*range(at, at + len(said))}
    return found


def places_of(map: Float[Tensor, "h w"], *, several: bool) -> set[str]:
    """The sides of the picture on which a thing stands, or its middle, by the centre of its map.

    Args:
        several: whether the map is that of several things, whose centre need not be where one of them is.
    """
    share = map / map.sum().clamp(min=1e-8)
    down, right = (
        float((share.sum(1 - axis) * (torch.arange(side) + 0.5)).sum()) / side - 0.5
        for axis, side in enumerate(share.shape)
    )
    sides = {"top": -down, "bottom": down, "left": -right, "right": right}
    found = {side for side, far in sides.items() if far > MIDDLE}
    return found or ({"middle"} if not several else set())


class DefaultDescriber:
    """Captions, answers and their maps, from the weights in a folder.

    Args:
        hash: of the content of the weights.
    """

    name = "default"

    def __init__(self, reader: Reader, words: Words, *, hash: str) -> None:
        self.reader, self.words, self.hash = reader.eval(), words, hash
        self._describe, self._ask, self._end = words.ids([DESCRIBE, ASK, END])

    @classmethod
    def from_pretrained(
        cls,
        folder: str | os.PathLike[str] = FOLDER,
        *,
        device: str | torch.device = "cpu",
        backend: str | None = None,
    ) -> "DefaultDescriber":
        """Loads `config.json` and `model.safetensors`.

        Raises:
            ModelError: a file is missing or invalid.
        """
        folder = Path(folder)
        try:
            require_regular_files(folder)
            stored = read_json(folder / "config.json")
            words = Words.from_dict(stored["words"])
            sizes = {**stored["reader"], "widths": tuple(stored["reader"]["widths"])}
            reader = Reader(ReaderConfig(**sizes), backend=backend)
            weights = load_file(folder / "model.safetensors")
            reader.load_state_dict(
                {name: x.float() if x.is_floating_point() else x for name, x in weights.items()}
            )
        except (UnreadableFile, OSError) as error:
            raise ModelError(str(error)) from None
        except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
            raise ModelError(f"{folder} holds no describer: {error}") from None
        return cls(reader.to(device), words, hash=content_hash([folder / "model.safetensors"]))

    @torch.inference_mode()
    def describe(self, picture: Picture) -> Description:
        """The caption; without words for a picture that is not of the world."""
        fitted = self._fitted(picture)
        seen, known = self._look(fitted)
        if known < KNOWN:
            return Description(UNKNOWN, (), known)
        begun = torch.tensor([[self._describe]], device=self.reader.places.device)
        text = write(self.reader, seen, begun, end=self._end)[0]
        said, words = self._words_of(text, 1, fitted)
        return Description(said, words, known)

    @torch.inference_mode()
    def ask(self, picture: Picture, question: str) -> Answer:
        """The answer to a question of the describer's kinds (see `NotAQuestion`)."""
        asked = read(question, self.words)
        fitted = self._fitted(picture)
        seen, known = self._look(fitted)
        if known < KNOWN:
            return Answer(question, UNKNOWN, (), (), known)
        for thing in asked.presumed:
            presumed = Question((*map(Token, ("is", "there", article(thing[0].word))), *thing))
            text = self._written(presumed, seen, limit=0)
            yes, no = (float(text.first[id]) for id in self.words.ids(["yes", "no"]))
            if no > yes:
                said = joined(["there", "is", "no", *(token.word for token in thing)])
                return Answer(question, said, self._typed(question, presumed, text, fitted), (), known)
        text, first = self._written(asked, seen), len(self._begun(asked))
        typed = self._typed(question, asked, text, fitted)
        if asked.place:
            text = self._standing(text, first, fitted, asked.place)
        said, words = self._words_of(text, first, fitted)
        if (answer := asked.answer(said)) != said:
            return Answer(question, answer, typed, (), known)
        return Answer(question, said, typed, words, known)

    def _written(self, question: Question, seen: Seen, limit: int = MAX_WORDS) -> Written:
        begun = torch.tensor([self._begun(question)], device=seen.known.device)
        return write(self.reader, seen, begun, end=self._end, limit=limit)[0]

    def _typed(self, question: str, asked: Question, text: Written, fitted: Fitted) -> tuple[SeenWord, ...]:
        """The typed words that stand in a question, with their maps."""
        return tuple(
            SeenWord(question[slice(*token.span)], token.span, self._map(text, at, fitted, token.word))
            for at, token in enumerate(asked.tokens, 1)
            if token.span is not None
        )

    @torch.inference_mode()
    def chances(
        self, picture: Picture, questions: Sequence[tuple[Question, str]]
    ) -> tuple[list[float], float]:
        """How probable an answer is to each question, from its first word, and how surely the picture is
        known.

        Args:
            questions: in the describer's wording, each with the first word of the answer.
        """
        seen, known = self._look(self._fitted(picture))
        found = []
        for question, answer in questions:
            first = self._written(question, seen, limit=0).first
            found.append(float(first[self.words.ids([answer])[0]]))
        return found, known

    def _begun(self, question: Question) -> list[int]:
        return [self._ask, *self.words.ids([token.word for token in question.tokens]), *self.words.ids(["?"])]

    def _fitted(self, picture: Picture) -> Fitted:
        image = InputImage.read("picture", picture, "RGB").pixels
        side = self.reader.config.side
        scale = side / max(image.size)
        size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        small = image.resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC)
        left, top = (side - size[0]) // 2, (side - size[1]) // 2
        x = torch.tensor(bytearray(small.tobytes()), dtype=torch.float32).unflatten(0, (size[1], size[0], 3))
        pad = (left, side - size[0] - left, top, side - size[1] - top)
        # Around the picture its edge goes on, as plain as the ground.
        square = torch.nn.functional.pad(x.permute(2, 0, 1)[None] / 127.5 - 1, pad, mode="replicate")
        cell = side // GRID
        rows = slice(top // cell, -(-(top + size[1]) // cell))
        return Fitted(square, rows, slice(left // cell, -(-(left + size[0]) // cell)))

    def _look(self, fitted: Fitted) -> tuple[Seen, float]:
        seen = self.reader.look(fitted.pixels.to(self.reader.places.device))
        return seen, float(seen.known.sigmoid())

    def _standing(self, text: Written, first: int, fitted: Fitted, place: str) -> Written:
        """The part of a list of things that names those in a place, by the words' maps; else "nothing"."""
        tokens = [self.words.tokens[id] for id in text.ids]
        joints = [at for at, token in enumerate(tokens) if token in (",", "and")]
        kept: list[int] = []
        for before, end in pairwise((-1, *joints, len(tokens))):
            phrase = range(before + 1, end)
            map = self._map(text, first + end - 1, fitted, tokens[end - 1]) if phrase else None
            if map is not None and place in places_of(map, several=tokens[phrase[0]] in self.words.numbers):
                kept += [*(joints[-1:] if kept else ()), *phrase]
        if not kept:
            return replace(text, ids=self.words.ids(["nothing"]), chances=[1.0])
        maps = text.maps[[*range(first), *(first + at for at in kept)]]
        chances = [text.chances[at] for at in kept]
        return replace(text, ids=[text.ids[at] for at in kept], chances=chances, maps=maps)

    def _words_of(self, text: Written, first: int, fitted: Fitted) -> tuple[str, tuple[SeenWord, ...]]:
        """The text, and its words in their places; `first` is the place of its first map."""
        tokens = [self.words.tokens[id] for id in text.ids]
        sure = sure_words(tokens, text.chances, self.words)
        said, words = joined([word for word, _ in sure]), []
        nowhere = unseen(tokens, self.words)
        end = 0
        for word, at in sure:
            start = said.index(word, end)
            end = start + len(word)
            map = None if at in nowhere else self._map(text, first + at, fitted, word)
            words.append(SeenWord(word, (start, end), map))
        return said, tuple(words)

    def _map(self, text: Written, at: int, fitted: Fitted, word: str) -> Float[Tensor, "h w"] | None:
        """The map of a word; none for words that name nothing."""
        if word in SILENT or word in self.words.times:
            return None
        return text.maps[at].unflatten(0, (GRID, GRID))[fitted.rows, fitted.columns].cpu()
