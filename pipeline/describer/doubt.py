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
    nouns = {*words.nouns, *words.nouns.values()}
    before = {*_ARTICLES, *SIZES, *NUMBERS, *words.colours}
    kept: list[tuple[str, int]] = []
    for at, (token, chance) in enumerate(zip(tokens, chances, strict=True)):
        denied = bool(kept) and kept[-1][0] == "no"
        if token not in nouns or chance >= SURE or denied:
            kept.append((token, at))
            continue
        phrase: list[tuple[str, int]] = []
        while kept and kept[-1][0] in before:
            phrase.insert(0, kept.pop())
        colour = [each for each in phrase if each[0] in words.colours]
        number = [each for each in phrase if each[0] in NUMBERS]
        kept += [*number, *colour, (THINGS, at)] if number else [(SOMETHING, at), *colour]
    return kept
