"""The parts of a prompt that are checked, words and whole phrases of a model's vocabulary, and others of
their kind that are tried in their places."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from limelight.pipeline.describer.vocabulary import article
from limelight.pipeline.segments import spelled, words_in
from limelight.pipeline.text.encoder import Word
from limelight.pipeline.text.lemmas import is_plural
from limelight.pipeline.text.small_words import SMALL_WORDS
from limelight.pipeline.text.vocabulary import Vocabulary

OTHERS = 2  # that are tried in the place of one
# Meaning of a relation -> meanings that do not hold where it holds. One with an opposite needs no second.
OPPOSITES: Mapping[str, tuple[str, ...]] = {
    "left": ("right",),
    "right": ("left",),
    "above": ("below",),
    "below": ("above",),
    "front": ("behind",),
    "behind": ("front",),
    "on": ("below",),
    "next": ("above", "below"),
    "wearing": ("next", "below"),
    "between": ("above", "below"),
}
ONE = frozenset(("a", "an", "one"))  # words that say that a noun is one thing
BEFORE = 5  # words before a noun among which they stand
JOINING = ("and", "with", "by")  # relations that do not say where


@dataclass(frozen=True, slots=True)
class Part:
    """A word or phrase of a prompt that can be checked.

    Attributes:
        group: of the vocabulary; empty where a model has none.
        others: the prompt with something else in its place, one or more.
    """

    word: Word
    group: str
    others: tuple[str, ...]


def parts_of(prompt: str, words: Sequence[Word], vocabulary: Vocabulary | None) -> Iterator[Part]:
    """The parts of a prompt, in order, always the same. Without a vocabulary each word that may name a thing
    is a part, and the prompt without it is tried.

    Args:
        words: of the prompt.
    """
    if vocabulary is None:
        for word in words:
            if spelled(word.text) not in SMALL_WORDS:
                yield Part(word, "", (_with(prompt, word, ""),))
        return
    found = list(_phrases(prompt, words, vocabulary))
    things = [word.span[0] for word, group, _ in found if group in ("nouns", "synonyms")]
    for word, group, phrase in found:
        if group == "relations" and not _joins_things(prompt, word, things):
            continue
        others = tuple(
            _with(prompt, word, other) for other in _others(prompt, word, group, phrase, vocabulary)
        )
        if others:
            yield Part(word, group, others)


def _phrases(prompt: str, words: Sequence[Word], vocabulary: Vocabulary) -> Iterator[tuple[Word, str, str]]:
    """The longest phrases of the vocabulary in a prompt: as one word, with group and spelling."""
    known: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    nouns_of_both_numbers = (*vocabulary.groups.get("nouns", ()), *vocabulary.plurals.values())
    for group, phrases in {**vocabulary.groups, "nouns": nouns_of_both_numbers}.items():
        for phrase in phrases if group != "others" else ():
            known.setdefault(tuple(map(spelled, words_in(phrase))), []).append((group, phrase))
    nouns = {
        key[0] for key, found in known.items() if {"nouns", "synonyms", "materials"} & dict(found).keys()
    }
    longest, at = max(map(len, known), default=0), 0
    while at < len(words):
        for length in range(min(longest, len(words) - at), 0, -1):
            run = words[at : at + length]
            key = tuple(spelled(word.text) for word in run)
            if key in known and _touch(prompt, run) and not _is_small(key, known[key]):
                group, phrase = _meant(known[key], words[at + length : at + length + 1], nouns)
                yield _joined(prompt, run), group, phrase
                at += length
                break
        else:
            at += 1


def _is_small(key: tuple[str, ...], found: Sequence[tuple[str, str]]) -> bool:
    """Whether words name nothing that could be seen: numbers and relations do."""
    groups = [group for group, _ in found]
    if "counts" in groups or ("relations" in groups and key[0] not in JOINING):
        return False
    return all(word in SMALL_WORDS for word in key)


def _meant(
    found: Sequence[tuple[str, str]], after: Sequence[Word], nouns: Collection[str]
) -> tuple[str, str]:
    """The group that is meant where a word is in several: of "orange", a ground before "background", a colour
    before the first word of a noun, else the noun."""
    by_group = dict(found)
    follows = spelled(after[0].text) if after else ""
    if follows == "background" and "backgrounds" in by_group:
        return "backgrounds", by_group["backgrounds"]
    if "colours" in by_group and follows in nouns:
        return "colours", by_group["colours"]
    return found[0]


def _joins_things(prompt: str, relation: Word, things: Sequence[int]) -> bool:
    """Whether a relation stands between two things, and not before a ground ("in front of a red
    background")."""
    start, end = relation.span
    after = [thing for thing in things if thing >= end]
    return (
        any(thing < start for thing in things) and bool(after) and "background" not in prompt[end : after[0]]
    )


def _others(prompt: str, word: Word, group: str, phrase: str, vocabulary: Vocabulary) -> list[str]:
    """Others for the place of a phrase: an opposite, the nearest numbers, or some of its group."""
    meaning = vocabulary.meanings.get(group, {})
    if group == "relations":
        return _opposites(phrase, meaning)
    if group == "counts":
        counts = list(vocabulary.groups["counts"])
        at = counts.index(phrase)
        return sorted((each for each in counts if each != phrase), key=lambda n: abs(counts.index(n) - at))[
            :OTHERS
        ]
    if group in ("nouns", "synonyms"):
        candidates = list(_nouns(prompt, word, phrase, meaning.get(phrase), vocabulary))
    elif meaning:
        own = _alike(phrase, meaning)
        firsts = {what: _alike(each, meaning) for each, what in meaning.items() if what != meaning[phrase]}
        candidates = [phrases[min(own.index(phrase), len(phrases) - 1)] for phrases in firsts.values()]
    else:
        candidates = list(vocabulary.groups[group])
    typed = {spelled(each) for each in words_in(prompt)} - SMALL_WORDS
    fresh = [each for each in candidates if not typed & {spelled(part) for part in words_in(each)}]
    fresh = fresh or candidates
    return Random(spelled(word.text)).sample(fresh, min(OTHERS, len(fresh)))


def _opposites(phrase: str, meaning: Mapping[str, str]) -> list[str]:
    """Phrases of opposite meanings, of the same form where there is one: "on the left of" and "on the right
    of"."""
    own = _alike(phrase, meaning) if phrase in meaning else []
    found = []
    for opposite in OPPOSITES.get(meaning.get(phrase, ""), ()):
        if phrases := [each for each, what in meaning.items() if what == opposite]:
            found.append(phrases[min(own.index(phrase), len(phrases) - 1)])
    return found


def _alike(phrase: str, meaning: Mapping[str, str]) -> list[str]:
    """All phrases of the meaning of one, in order."""
    return [each for each, what in meaning.items() if what == meaning[phrase]]


def _nouns(
    prompt: str, word: Word, phrase: str, stands_for: str | None, vocabulary: Vocabulary
) -> Iterator[str]:
    """Nouns in the number of the one that was typed, and no form of a noun that the prompt has."""
    typed = {spelled(each) for each in words_in(prompt)}
    is_one = bool({spelled(each) for each in words_in(prompt[: word.span[0]])[-BEFORE:]} & ONE)
    has_two_forms = vocabulary.plurals.get(phrase) != phrase  # as "fish" and "grapes" have not
    as_plural = stands_for is None and (phrase not in vocabulary.plurals or not (has_two_forms or is_one))
    for single, many in vocabulary.plurals.items():
        said = {spelled(each) for each in (*words_in(single), *words_in(many))}
        if typed & said or single == stands_for or (is_one and is_plural(single)):
            continue
        yield many if as_plural else single


def _with(prompt: str, word: Word, other: str) -> str:
    """The prompt with something else in a word's place, and the article before it that fits."""
    start, end = word.span
    before = prompt[:start]
    return (with_article(before, other) if other else before) + other + prompt[end:]


def with_article(before: str, word: str) -> str:
    """The text before a word; if it ends with "a" or "an" and a space, with the article that fits."""
    last = before.rstrip()
    for kept in ("an", "a"):
        head, typed = last[: -len(kept)], last[-len(kept) :]
        if typed.lower() == kept and last != before and not head[-1:].isalnum():
            fits = article(spelled(word))
            return head + (fits.capitalize() if typed[0].isupper() else fits) + before[len(last) :]
    return before


def _touch(prompt: str, run: Sequence[Word]) -> bool:
    """Whether nothing but spaces stands between words."""
    gaps = (prompt[one.span[1] : other.span[0]] for one, other in pairwise(run))
    return all(gap.isspace() for gap in gaps)


def _joined(prompt: str, run: Sequence[Word]) -> Word:
    start, end = run[0].span[0], run[-1].span[1]
    return Word(prompt[start:end], (start, end), tuple(i for word in run for i in word.tokens))
