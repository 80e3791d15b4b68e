"""The nouns of the world: one table, whose first rows, the core, are those that two CPU cores can learn."""

import csv
from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).with_name("nouns.csv")


@dataclass(frozen=True, kw_only=True)
class Noun:
    """A noun: its word, its emoji, what it rests on (floor, air, water), its size from 1 (a bee) to 5 (a
    house), and the colour word that its art already has (None if it has no single colour)."""

    word: str
    emoji: str
    plural: str
    colour: str | None
    rests: str
    size: int
    core: bool


def read_nouns() -> tuple[Noun, ...]:
    """All rows of the table, the core first: a model of the core is a prefix of a model of all."""
    with TABLE.open(encoding="utf-8", newline="") as stream:
        rows = [
            Noun(
                word=row["word"],
                emoji=row["emoji"],
                plural=row["plural"] or row["word"] + "s",
                colour=row["colour"] or None,
                rests=row["rests"],
                size=int(row["size"]),
                core=row["core"] == "1",
            )
            for row in csv.DictReader(stream)
        ]
    return tuple(sorted(rows, key=lambda noun: not noun.core))


NOUNS = read_nouns()
CORE = sum(noun.core for noun in NOUNS)
NOUN_INDEX = {noun.word: index for index, noun in enumerate(NOUNS)}
