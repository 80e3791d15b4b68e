"""The words beyond nouns (colours, materials, poses, sizes, styles, counts), and which combinations are held
out from training."""

import hashlib

from scripts.second.world.nouns import NOUN_INDEX, NOUNS

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
# Dark, middle and light colour of the ramp that replaces the art's own colours, and its opacity.
MATERIALS = {
    "golden": ((120, 66, 4), (240, 176, 30), (255, 244, 170), 1.0),
    "silver": ((62, 68, 80), (168, 176, 188), (250, 252, 255), 1.0),
    "wooden": ((84, 48, 24), (172, 112, 62), (232, 190, 136), 1.0),
    "glass": ((70, 140, 170), (170, 220, 236), (250, 255, 255), 0.62),
    "glowing": ((255, 190, 60), (255, 226, 120), (255, 252, 220), 1.0),
}
POSES = ("flying", "jumping", "sleeping", "upside down")
SIZES = ("small", "big")
STYLES = ("3d", "flat", "silhouette", "sketch", "pixel art")
COUNTS = {2: "two", 3: "three", 4: "four", 5: "five"}
TIMES = ("day", "sunset", "night")
WEATHERS = ("rain", "snow")
RELATIONS = ("left", "right", "above", "below", "front", "behind", "on", "next", "wearing")
WORN = ("hat", "crown", "sunglasses")

SHARE = 26  # of 256 hash values: about a tenth of the combinations is held out


def _kept_back(kind: str, *words: str) -> bool:
    return hashlib.sha256(" ".join(["limelight-2", kind, *words]).encode()).digest()[0] < SHARE


def pair_is_held_out(first: str, second: str) -> bool:
    """Whether these two nouns never share a training scene: about a tenth of all pairs."""
    return _kept_back("pair", *sorted((first, second)))


def colour_is_held_out(noun: str, colour: str) -> bool:
    """Whether this noun never has this colour in training: about a tenth, never the colour of its own art."""
    return NOUNS[NOUN_INDEX[noun]].colour != colour and _kept_back("colour", noun, colour)


def material_is_held_out(noun: str, material: str) -> bool:
    """Whether this noun is never of this material in training."""
    return _kept_back("material", noun, material)


def place_is_held_out(noun: str, place: str) -> bool:
    """Whether this noun never stands in this place in training."""
    return _kept_back("place", noun, place)


def style_is_held_out(noun: str, style: str) -> bool:
    """Whether this noun is never drawn in this style in training; `3d` is the art itself."""
    return style != "3d" and _kept_back("style", noun, style)
