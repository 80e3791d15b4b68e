"""Doubtful nouns: what a describer calls something, because it is not sure of the noun."""

from collections.abc import Sequence

from limelight.pipeline.describer.vocabulary import NUMBERS, SIZES, SOMETHING, THINGS, Words

SURE = 0.9  # probability under which a noun is not said; of the nouns of composed scenes none has less
_ARTICLES = ("a", "an", "the")


def sure_words(tokens: Sequence[str], chances: Sequence[float], words: Words) -> list[tuple[str, int]]:
    """The words of a text, with "something" or "things" for each phrase whose noun is doubtful.

    Args:
        chances: the probability of each token.

    Returns: each word, and the place of the token whose map it has.
    """
    before = _describing(words)
    kept: list[tuple[str, int]] = []
    for at, (token, chance) in enumerate(zip(tokens, chances, strict=True)):
        denied = bool(kept) and kept[-1][0] == "no"
        if chance >= SURE or denied or not is_noun(tokens, at, words):
            kept.append((token, at))
            continue
        phrase: list[tuple[str, int]] = []
        while kept and kept[-1][0] in before:
            phrase.insert(0, kept.pop())
        look = [each for each in phrase if each[0] in words.looks]
        number = [each for each in phrase if each[0] in NUMBERS]
        kept += [*number, *look, (THINGS, at)] if number else [(SOMETHING, at), *look]
    return kept


def _describing(words: Words) -> set[str]:
    """Words that stand in front of a noun."""
    poses = {word for pose in words.poses for word in pose.split()}
    return {*_ARTICLES, *SIZES, *NUMBERS, *poses, *words.looks}


def is_noun(tokens: Sequence[str], at: int, words: Words) -> bool:
    """Whether a word names a thing: no colour in front of a noun ("an orange fox"), no place ("on the moon"),
    though a noun has the same letters."""
    nouns = {*words.nouns, *words.nouns.values()}
    if tokens[at] not in nouns:
        return False
    if tokens[at] in words.looks:
        before, after = (tokens[i] if 0 <= i < len(tokens) else "" for i in (at - 1, at + 1))
        if before not in _describing(words) | {"no"} or after in nouns | {"background", THINGS}:
            return False
    place = words.places.get(tokens[at], "").split()
    return not place or list(tokens[at - len(place) + 1 : at + 1]) != place
