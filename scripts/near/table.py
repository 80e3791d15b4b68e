"""The table of near words for a vocabulary: by hand, then by the keywords of emoji.

An emoji shows what its line says, or the noun that its name ends in, with a colour before it. A keyword that
few nouns share leads to those nouns. One that many share is the name of a kind. A thing that
has an emoji but is no noun of the vocabulary is near to the nouns with which it shares keywords; a keyword
counts the more the fewer nouns have it.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limelight.pipeline.segments import spelled, words_in
from limelight.pipeline.text.lemmas import lemma
from limelight.pipeline.text.near import FILE, LONGEST, lemmas
from scripts.near.keywords import read_table
from scripts.second.world.nouns import NOUNS
from scripts.second.world.phrases import SYNONYMS

WORDS, DROPPED = (Path(__file__).with_name(name) for name in ("words.txt", "dropped.txt"))
MOST, EXAMPLES = 3, 4  # offers for a word; examples of a kind
KIND = 6  # a keyword of more nouns is the name of a kind
SHARED = 0.25  # sum of what shared keywords count, from which a thing is near to a noun
NAMES = ("words", "kinds", "emoji")
Table = dict[str, list[str]]


def write_near(folder: Path) -> Path:
    """Writes the table for the vocabulary in a model's folder.

    Raises:
        FileNotFoundError: the folder has no `vocabulary.json`.
    """
    stored = json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))
    lines = [
        f' "{name}": {{\n'
        + ",\n".join(f"  {json.dumps(k, ensure_ascii=False)}: {json.dumps(v)}" for k, v in table.items())
        + "\n }"
        for name, table in near_table(stored).items()
    ]
    path = folder / FILE
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    return path


def near_table(vocabulary: Mapping[str, Any]) -> dict[str, Table]:
    """`words`: words and phrases that are not of the vocabulary, and emoji, -> words that are near to them;
    `kinds`: names of kinds -> examples; `emoji`: emoji -> the word or phrase for what they show.

    Args:
        vocabulary: groups of words, as in `vocabulary.json`.
    """
    known = Known(vocabulary)
    by_hand, of_hand = _by_hand(known)
    words, kinds = _by_keywords(known)
    words = {key: offers for key, offers in words.items() if key not in of_hand} | by_hand
    kinds = {key: offers for key, offers in (kinds | of_hand).items() if key not in words}
    emoji = _shown(known)
    words = {key: offers for key, offers in words.items() if key not in emoji}
    return {name: dict(sorted(t.items())) for name, t in zip(NAMES, (words, kinds, emoji), strict=True)}


@dataclass(frozen=True)
class Thing:
    """What an emoji shows: `names`, the vocabulary's noun for it if it has one, and its keywords' lemmas."""

    emoji: str
    names: tuple[str, ...]
    noun: str | None
    keywords: tuple[str, ...]


class Known:
    """The words of a vocabulary: all of them, the nouns in order, and synonym -> noun."""

    def __init__(self, vocabulary: Mapping[str, Any]) -> None:
        nouns = vocabulary["nouns"]
        phrases = [phrase for group in vocabulary.values() for phrase in group] + list(nouns.values())
        self.words = {spelled(word) for phrase in phrases for word in words_in(phrase)}
        self.nouns = list(nouns)
        self.synonyms = dict(vocabulary.get("synonyms", {}))
        self.colours = set(vocabulary.get("colours", ()))
        self.lemmas = {lemma(word) for word in self.words}

    def __contains__(self, phrase: str) -> bool:
        return all(spelled(word) in self.words for word in words_in(phrase))

    def lacks(self, key: str) -> bool:
        """Whether no spelling of a word or phrase is known, and it is short enough to be looked up."""
        words = words_in(key)
        return 0 < len(words) <= LONGEST and not all(lemma(word) in self.lemmas for word in words)


def _shown(known: Known) -> Table:
    """Emoji -> what they show: by hand, or the noun that a name ends in; not what shares keywords."""
    found, dropped = Table(), _dropped()
    for thing in _things(known.nouns):
        ends = [end for name in thing.names if (end := _end(name, known)) and f"{name}:{end}" not in dropped]
        if phrases := [*filter(None, [thing.noun]), *ends]:
            found[thing.emoji] = phrases[:1]
    for line in _lines(WORDS):
        keys, equals, phrases = line.partition(" = ")
        kept = [_end(phrase, known) or phrase for phrase in phrases.split(", ") if equals and phrase in known]
        found |= {key: kept[:1] for key in keys.split(", ") if kept}
    return found


def _end(name: str, known: Known) -> str | None:
    """The noun at the end of a name, before what is with it, and before the noun a colour of things."""
    words = re.split(" (?:with|without|on) ", name)[0].split()
    for start in range(len(words)):
        noun = " ".join(words[start:])
        if noun in known.nouns or noun in known.synonyms:
            colour = words[start - 1] if start and words[start - 1] in known.colours else ""
            return f"{colour} {noun}".strip()
    return None


def _by_hand(known: Known) -> tuple[Table, Table]:
    """Words, and kinds: those of lines with two colons."""
    words: Table = {noun: [of] for noun, of in known.synonyms.items()}  # for their plurals
    kinds: Table = {}
    for line in filter(lambda line: ": " in line, _lines(WORDS)):
        keys, offers = line.split(": ")
        table, most = (kinds, EXAMPLES) if keys.endswith(":") else (words, MOST)
        kept = [offer for offer in offers.split(", ") if offer in known]
        for key in filter(known.lacks, keys.rstrip(":?").split(", ") if kept else ()):
            if not (keys.endswith("?") and key in words):
                table[key] = list(dict.fromkeys([*table.get(key, ()), *kept]))[:most]
    return words, kinds


def _by_keywords(known: Known) -> tuple[Table, Table]:
    things = list(_things(known.nouns))
    nouns_of: Table = {}
    by_noun = {thing.noun: thing for thing in things if thing.noun is not None}
    for noun in filter(by_noun.get, known.nouns):
        for keyword in by_noun[noun].keywords:
            nouns_of.setdefault(keyword, []).append(noun)
    words: Table = {}
    kinds: Table = {}
    spellings = _spellings()
    for keyword, nouns in nouns_of.items():
        if known.lacks(keyword):
            is_kind = len(nouns) > KIND
            table, most = (kinds, EXAMPLES) if is_kind else (words, MOST)
            table[spellings[keyword]] = nouns[:most]
    for thing in things:
        if thing.noun is None and (near := _nearest(thing, nouns_of)):
            for name in (thing.emoji, *filter(known.lacks, thing.names)):
                if len(name.split()) < LONGEST:
                    words.setdefault(name, near)
    return words, kinds


def _nearest(thing: Thing, nouns_of: Mapping[str, Sequence[str]]) -> list[str]:
    """The nouns that share the most with a thing; else examples of the smallest kind that it is of."""
    shared: dict[str, float] = {}
    for keyword in thing.keywords:
        for noun in nouns_of.get(keyword, ()):
            shared[noun] = shared.get(noun, 0) + 1 / len(nouns_of[keyword])
    best = sorted((noun for noun in shared if shared[noun] >= SHARED), key=lambda noun: -shared[noun])
    if best:
        return best[:MOST]
    kinds = [nouns_of[keyword] for keyword in thing.keywords if keyword in nouns_of]
    return list(min(kinds, key=len, default=[]))[:MOST]


def _things(nouns: Iterable[str]) -> Iterator[Thing]:
    dropped, wanted = _dropped(), set(nouns)
    named = {noun.emoji.rstrip("\ufe0f"): noun.word for noun in NOUNS}
    for emoji, (name, *keywords) in read_table().items():
        word = named.get(emoji)
        own = (word, *SYNONYMS.get(word, ())) if word else ()
        kept = [each for each in (name, *own, *keywords) if not {each, f"{word or name}:{each}"} & dropped]
        lemmatised = tuple(dict.fromkeys(map(lemmas, kept)))
        yield Thing(emoji, tuple(dict.fromkeys((*own, name))), word if word in wanted else None, lemmatised)


def _dropped() -> set[str]:
    return {word.replace("_", " ") for line in _lines(DROPPED) for word in line.split()}


def _spellings() -> dict[str, str]:
    """The shortest keyword of each lemma."""
    all_of = [word for words in read_table().values() for word in words]
    all_of += [word for noun in NOUNS for word in (noun.word, *SYNONYMS.get(noun.word, ()))]
    return {lemmas(word): word for word in sorted(all_of, key=lambda word: (-len(word), word))}


def _lines(path: Path) -> Iterator[str]:
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield line
