"""Replaces emoji by the nouns of the things that they show, if the model knows those."""

import unicodedata
from collections.abc import Collection

OTHER_NAMES = {  # Unicode names without the noun
    "JACK-O-LANTERN": "pumpkin",
    "HAMBURGER": "burger",
    "DOUGHNUT": "donut",
    "HONEYBEE": "bee",
    "AUTOMOBILE": "car",
    "SAILBOAT": "boat",
    "WRAPPED PRESENT": "gift",
    "LADY BEETLE": "ladybug",
    "SAUROPOD": "dinosaur",
    "T-REX": "dinosaur",
    "FLYING SAUCER": "ufo",
}
VARIATIONS = "\ufe0e\ufe0f"  # invisible characters after an emoji: draw it as text, or as a picture


def spelled_out(prompt: str, nouns: Collection[str]) -> tuple[str, dict[str, str]]:
    """Replaces the emoji of a prompt that show one of the nouns.

    Returns:
        The new prompt, and emoji -> noun in their order.
    """
    found: dict[str, str] = {}
    parts: list[str] = []
    for letter in prompt:
        noun = noun_of(letter, nouns)
        if noun is None:
            is_left_over = letter in VARIATIONS and parts and parts[-1] in found.values()
            parts.append("" if is_left_over else letter)
            continue
        found[letter] = noun
        if parts and (parts[-1] in found.values() or parts[-1].isalnum()):
            parts.append(" ")
        parts.append(noun)
    return "".join(parts), found


def noun_of(letter: str, nouns: Collection[str]) -> str | None:
    """The noun in the Unicode name of a symbol; None if there is none or it is no symbol."""
    if unicodedata.category(letter) != "So":
        return None
    name = unicodedata.name(letter, "")
    if name in OTHER_NAMES:
        return OTHER_NAMES[name] if OTHER_NAMES[name] in nouns else None
    return next((word for word in reversed(name.lower().split()) if word in nouns), None)
