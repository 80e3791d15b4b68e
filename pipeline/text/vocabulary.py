"""The words that a small model was trained on."""

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher, get_close_matches
from pathlib import Path

from limelight.files import UnreadableFile, read_json
from limelight.pipeline.errors import ModelError
from limelight.pipeline.segments import spelled, words_in
from limelight.pipeline.text.encoder import Word
from limelight.pipeline.text.lemmas import is_plural, lemma
from limelight.pipeline.text.near import Near, Offer
from limelight.pipeline.text.warned import UnknownWords

SLIP = 0.85  # difflib's ratio from which a word is taken for a slip of the hand
ALIKE = 0.8  # from which a known word is offered where no other is near
SHORT = 3  # letters; shorter words are like too many
MOST = 3  # known words that are offered for one


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Words by class, such as `nouns` and `colours`; `words` holds all of them.

    Attributes:
        plurals: singular -> plural, of the nouns.
        meanings: of groups that say it, word or phrase -> meaning; those of one meaning say the same.
        near: what is offered for words that it does not have.
    """

    groups: Mapping[str, tuple[str, ...]]
    words: frozenset[str]
    plurals: Mapping[str, str] = field(default_factory=dict)
    near: Near = field(default_factory=Near)
    meanings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> "Vocabulary | None":
        """Reads the vocabulary in a model's folder; None if there is none, as for most models.

        Raises:
            ModelError: the file, or that of near words, is invalid.
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
        tables = {
            name: group for name, group in stored.items() if isinstance(group, dict) and name != "nouns"
        }
        meanings = {name: {str(k): str(v) for k, v in table.items()} for name, table in tables.items()}
        return cls(groups, known, plurals, Near.read(folder, known), meanings)

    def unknown(self, words: Iterable[str]) -> tuple[str, ...]:
        """The words that the model does not know, in order, without repetition."""
        return tuple(dict.fromkeys(word for word in words if spelled(word) not in self.words))

    def offers(self, words: Iterable[str]) -> tuple[Offer, ...]:
        """For each word that the model does not know, those near to it; each once, in order.

        Args:
            words: all of a text in order, so that phrases are found ("fire engine").
        """
        typed, found = list(words), dict[str, Offer]()
        done = 0
        for at, word in enumerate(typed):
            if at < done or spelled(word) in self.words:
                continue
            phrase = self.near.phrase(typed, at)
            done = phrase.stop
            text = " ".join(typed[i] for i in phrase)
            if spelled(text) not in found:
                found[spelled(text)] = self._offer(text)
        return tuple(found.values())

    def _offer(self, typed: str) -> Offer:
        """The same word in another form or spelling, words that differ by a slip of the hand,
        words near in meaning; words of less similar spelling only where there are no others."""
        form, meant, many = spelled(typed), self.near.find(typed), is_plural(typed)
        near = [self.plurals.get(word, word) if many else word for word in meant.words]
        if meant.is_kind:
            return Offer(typed, tuple(near), True)
        same = sorted(word for word in self.words if lemma(word) == lemma(form))
        first = [word for word in same if is_plural(word) == many][:1]
        alike = self._alike(form)
        slips = [word for ratio, word in alike if ratio >= SLIP and word not in same]
        words = [*first, *slips, *near] or same or [word for _, word in alike]
        return Offer(typed, tuple(dict.fromkeys(words))[:MOST])

    def _alike(self, form: str) -> list[tuple[float, str]]:
        """The most similar words with difflib's ratio, the best first; of equals those that begin alike."""
        if len(form) < SHORT:
            return []
        words = get_close_matches(form, self.words, n=2 * MOST, cutoff=ALIKE)
        rated = [(SequenceMatcher(None, word, form).ratio(), word) for word in words]
        return sorted(rated, key=lambda each: (-each[0], each[1][:1] != form[:1], each[1]))[:MOST]

    def warn_of_unknown(self, words: Iterable[Word]) -> None:
        """Warns with `UnknownWords` about words of a prompt that the model does not know."""
        if offers := self.offers(word.text for word in words if not word.is_learned):
            warnings.warn(explain(offers), UnknownWords, stacklevel=3)


def explain(offers: Iterable[Offer]) -> str:
    """The message for unknown words, as a command says it."""
    return f"this {passed_over(offers)}. `limelight vocabulary` lists its words"


def passed_over(offers: Iterable[Offer]) -> str:
    """What becomes of unknown words, after "this" or "This"."""
    return (
        f"small model was not trained on {', '.join(map(str, offers))}; it passes over what it does not know"
    )
