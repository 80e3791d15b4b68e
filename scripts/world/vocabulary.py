"""The words of the world: nouns, colours, grounds, and which combinations are held out from training."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Noun:
    """A noun: the word, its emoji, and the colour word that its art already has (None if it has no single
    colour).

    `whole`: a colour word colours all of it, not only the parts of its main hue.
    """

    word: str
    emoji: str
    native: str | None = None
    plural_word: str | None = None
    whole: bool = False

    @property
    def plural(self) -> str:
        return self.plural_word or self.word + "s"


NOUNS = (
    Noun("apple", "🍎", "red"),
    Noun("banana", "🍌", "yellow"),
    Noun("strawberry", "🍓", "red", "strawberries"),
    Noun("lemon", "🍋", "yellow"),
    Noun("pear", "🍐", "green"),
    Noun("watermelon", "🍉"),
    Noun("pineapple", "🍍", "yellow"),
    Noun("carrot", "🥕", "orange"),
    Noun("mushroom", "🍄", "red"),
    Noun("pumpkin", "🎃", "orange"),
    Noun("burger", "🍔"),
    Noun("pizza", "🍕"),
    Noun("donut", "🍩"),
    Noun("cake", "🎂"),
    Noun("cat", "🐱", "orange"),
    Noun("dog", "🐶"),
    Noun("panda", "🐼"),
    Noun("frog", "🐸", "green"),
    Noun("pig", "🐷", "pink"),
    Noun("fox", "🦊", "orange", "foxes"),
    Noun("penguin", "🐧"),
    Noun("fish", "🐟", "blue", "fish"),
    Noun("octopus", "🐙", None, "octopuses"),
    Noun("crab", "🦀", "red"),
    Noun("turtle", "🐢", "green"),
    Noun("snail", "🐌"),
    Noun("butterfly", "🦋", None, "butterflies"),
    Noun("bee", "🐝", "yellow"),
    Noun("whale", "🐳", "blue"),
    Noun("elephant", "🐘"),
    Noun("tree", "🌳", "green"),
    Noun("cactus", "🌵", "green", "cactuses"),
    Noun("sunflower", "🌻", "yellow"),
    Noun("rose", "🌹", "red"),
    Noun("star", "⭐", "yellow"),
    Noun("moon", "🌙", "yellow"),
    Noun("sun", "🌞", "yellow"),
    Noun("cloud", "☁️"),
    Noun("snowman", "⛄", None, "snowmen"),
    Noun("car", "🚗", "red"),
    Noun("bus", "🚌", "yellow", "buses"),
    Noun("rocket", "🚀"),
    Noun("airplane", "✈️"),
    Noun("boat", "⛵"),
    Noun("balloon", "🎈", "red"),
    Noun("umbrella", "☂️", "purple"),
    Noun("house", "🏠"),
    Noun("clock", "⏰", "red"),
    Noun("key", "🔑", "yellow"),
    Noun("heart", "❤️", "red"),
    Noun("crown", "👑", "yellow"),
    Noun("guitar", "🎸"),
    Noun("ghost", "👻"),
    Noun("robot", "🤖", whole=True),
    Noun("gift", "🎁"),
    Noun("hat", "🎩"),
)
NOUN_INDEX = {noun.word: index for index, noun in enumerate(NOUNS)}

COLOURS = {
    "red": (222, 36, 40),
    "orange": (250, 130, 20),
    "yellow": (250, 205, 30),
    "green": (40, 160, 60),
    "blue": (30, 105, 225),
    "purple": (135, 60, 190),
    "pink": (250, 120, 180),
    "brown": (130, 80, 45),
}
BACKGROUNDS = {
    "white": (248, 248, 248),
    "black": (18, 18, 20),
    "gray": (140, 142, 146),
    "red": (200, 50, 48),
    "orange": (245, 150, 60),
    "yellow": (250, 222, 100),
    "green": (90, 180, 100),
    "blue": (70, 130, 220),
    "purple": (140, 90, 190),
    "pink": (248, 165, 200),
    "brown": (120, 82, 58),
    "teal": (40, 160, 160),
}
STYLES = ("3d", "flat", "noto", "twemoji")
SIZES = ("small", "big")
RELATIONS = ("left", "right", "above", "below", "next")
COUNTS = {2: "two", 3: "three", 4: "four"}


def _kept_back(kind: str, *words: str) -> bool:
    digest = hashlib.sha256(" ".join(["limelight-1", kind, *sorted(words)]).encode()).digest()
    return digest[0] < 26


def pair_is_held_out(first: str, second: str) -> bool:
    """Whether these two nouns never share a training scene: about a tenth of all pairs."""
    return _kept_back("pair", first, second)


def colour_is_held_out(noun: str, colour: str) -> bool:
    """Whether this noun never has this colour in training: about a tenth, never the colour of its own art."""
    return NOUNS[NOUN_INDEX[noun]].native != colour and _kept_back("colour", noun, colour)
