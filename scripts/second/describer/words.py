"""The words of the second world's describer, and the colours that its art has."""

from limelight.pipeline.describer.vocabulary import NUMBERS, SIZES, SOMETHING, SPECIAL, Words
from scripts.describer.texts import word_list
from scripts.describer.view import COLOUR_WORDS
from scripts.second.world.nouns import NOUNS
from scripts.second.world.phrases import BARE, MATERIAL_WORDS, TIME_PHRASES, WEATHER_PHRASES
from scripts.second.world.places import GROUNDS, PLACES
from scripts.second.world.vocabulary import POSES

SMALL = (
    "a an the is are there of to on at in and next this it made time , ? what how many where colour plain",
    "background style nothing no yes several colours things above below left right top bottom middle weather",
    "raining snowing special material dry does not show in front behind between",
)
STYLES = {"flat": "flat style", "silhouette": "silhouette", "sketch": "sketch", "pixel art": "pixel art"}
# The colour of the core's art, as people would say it, where the table of nouns has none; and art that has
# another colour than the table says, or several.
OWN_COLOURS: dict[str, str | None] = {
    "elephant": "gray",
    "koala": "gray",
    "shark": "gray",
    "snowman": "white",
    "rabbit": "white",
    "hat": "black",
    "octopus": "orange",
    "helicopter": "orange",
    "snail": "brown",
    "donut": "brown",
    "teapot": "red",
    "tent": "green",
    "tractor": "green",
    "lamp": "yellow",
    "bee": None,
    "bus": None,
    "clock": None,
    "cookie": None,
    "crown": None,
    "giraffe": None,
    "pineapple": None,
    "trumpet": None,
}


COMMON = 240  # nouns of which training shows all as often, from the first
NAMED = {noun.word: noun for noun in NOUNS[:COMMON] if noun.word not in COLOUR_WORDS and " " not in noun.word}
"""Nouns with a word: questions are read word by word. Others stand for what cannot be named."""
PLURALS = {"peach": "peaches"}  # where the table of nouns has another


def words_of_the_world() -> Words:
    """Every word that captions, questions and answers use."""
    nouns = {word: PLURALS.get(word, noun.plural) for word, noun in NAMED.items()}
    materials = {word: long.removeprefix("made of ") for word, (_, long) in MATERIAL_WORDS.items()}
    places = {place.word: place.phrases[0] for place in PLACES}
    times = {"day": "", **{word: phrases[0] for word, phrases in TIME_PHRASES.items()}}
    weathers = {word: phrases[0] for word, phrases in WEATHER_PHRASES.items()}
    relations = ("front", "behind", "on", "wearing", "between")
    groups = (materials, places, times, weathers, STYLES)
    phrases = [text for group in groups for pair in group.items() for text in pair]
    tokens = word_list(
        SPECIAL,
        SMALL,
        SIZES,
        (SOMETHING,),
        NUMBERS,
        COLOUR_WORDS,
        tuple(GROUNDS),
        phrases,
        POSES,
        relations,
        tuple(nouns),
        tuple(nouns.values()),
    )
    bare = tuple(noun for noun in nouns if noun in BARE)
    return Words(
        tokens, nouns, COLOUR_WORDS, tuple(GROUNDS), *groups, poses=POSES, relations=relations, bare=bare
    )


def own_colour(noun: str) -> str | None:
    """The colour word that holds for the art of a noun as it is; None if it has several."""
    return OWN_COLOURS[noun] if noun in OWN_COLOURS else NAMED[noun].colour
