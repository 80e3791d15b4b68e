"""The words that a small model was trained on."""

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from limelight.files import UnreadableFile, read_json
from limelight.pipeline.errors import ModelError
from limelight.pipeline.segments import spelled, words_in
from limelight.pipeline.text.encoder import Word
from limelight.pipeline.text.warned import UnknownWords

NEAR = 0.75  # difflib's ratio from which a known word is offered for one that is not known


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Words by class, such as `nouns` and `colours`; `words` holds all of them.

    Attributes:
        plurals: singular -> plural, of the nouns.
    """

    groups: Mapping[str, tuple[str, ...]]
    words: frozenset[str]
    plurals: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> "Vocabulary | None":
        """Reads the vocabulary in a model's folder; None if there is none, as for most models.

        Raises:
            ModelError: the file is invalid.
        """
        path = folder / "vocabulary.json"
        try:
            stored = read_json(path)
            groups = {name: tuple(str(word) for word in words) for name, words in stored.items()}
        except FileNotFoundError:
            return None
        except UnreadableFile as error:
            raise ModelError(str(error)) from None
        except (AttributeError, TypeError) as error:
            raise ModelError(f"{path} is no vocabulary: {error}") from None
        nouns = stored.get("nouns")
        plurals = {str(one): str(many) for one, many in nouns.items()} if isinstance(nouns, dict) else {}
        spoken = [phrase for words in groups.values() for phrase in words] + list(plurals.values())
        known = frozenset(spelled(word) for phrase in spoken for word in words_in(phrase))
        return cls(groups, known, plurals)

    def unknown(self, words: Iterable[str]) -> tuple[str, ...]:
        """The words that the model does not know, in order, without repetition."""
        return tuple(dict.fromkeys(word for word in words if spelled(word) not in self.words))

    def warn_of_unknown(self, words: Iterable[Word]) -> None:
        """Warns with `UnknownWords` about words of a prompt that the model does not know."""
        if unknown := self.unknown(word.text for word in words if not word.is_learned):
            warnings.warn(self.explain(unknown), UnknownWords, stacklevel=3)

    def explain(self, unknown: tuple[str, ...]) -> str:
        """The message for unknown words."""
        near = {word: get_close_matches(spelled(word), self.words, n=2, cutoff=NEAR) for word in unknown}
        told = [
            f"{word!r} (near: {', '.join(found)})" if found else repr(word) for word, found in near.items()
        ]
        return (
            f"this small model was not trained on {', '.join(told)}; it passes over what it does not know. "
            f"`limelight vocabulary` lists its words"
        )
