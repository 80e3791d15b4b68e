"""What a describer and a check found, as the browser and programs get it."""

from collections.abc import Iterable
from typing import Any

from limelight.pipeline.describer.description import Answer, Description, SeenWord
from limelight.pipeline.reading.check import Check

DIGITS = 5


def description_of(found: Description) -> dict[str, Any]:
    """{"error", "text", "known", "words"}; a word is {"text", "span", "map"}, its map height x width numbers,
    or None for a word that looked nowhere."""
    return {"error": "", "text": found.text, "known": round(found.known, 3), "words": words_of(found.words)}


def answer_of(found: Answer) -> dict[str, Any]:
    """As a description, with the "question" and its words, "asked"."""
    return {
        "error": "",
        "question": found.question,
        "text": found.text,
        "known": round(found.known, 3),
        "asked": words_of(found.asked),
        "words": words_of(found.words),
    }


def words_of(words: Iterable[SeenWord]) -> list[dict[str, Any]]:
    return [{"text": word.text, "span": list(word.span), "map": _numbers(word)} for word in words]


def check_of(found: Check | None) -> dict[str, Any] | None:
    """The words with their scores, and the means; None where nothing was checked."""
    return found.to_dict() if found is not None and found.atoms else None


def _numbers(word: SeenWord) -> list[list[float]] | None:
    if word.map is None:
        return None
    return [[round(value, DIGITS) for value in row] for row in word.map.tolist()]
