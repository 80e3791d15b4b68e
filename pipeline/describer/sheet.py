"""Draws what the words of a description or an answer looked at."""

from collections.abc import Iterable

from PIL import Image

from limelight.pipeline.describer.description import SeenWord
from limelight.pipeline.results.sheet import LitWord, contact_sheet
from limelight.pipeline.text.encoder import Word


def words_sheet(picture: Image.Image, words: Iterable[SeenWord], title: str, note: str) -> Image.Image:
    """The picture, and for each word that looked somewhere its map over it, each with a scale of its own."""
    lit = [
        LitWord(Word(word.text, word.span, ()), word.map, float(word.map.max()))
        for word in words
        if word.map is not None
    ]
    return contact_sheet(picture, lit, title, note)
