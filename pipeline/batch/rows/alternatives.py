"""Expands `a {red|blue} car` into a red car and a blue car. The results are counted before they are made."""

from dataclasses import dataclass, field
from itertools import product
from math import prod

from limelight.pipeline.batch.rows.columns import MAX_EXPANSION

MAX_DEPTH = 20  # groups within groups
MAX_CHARACTERS = 50_000_000  # of all alternatives of a text
_MARKS = "{|}"


@dataclass(slots=True)
class _Group:
    """The options of a group; each is a sequence of texts and groups."""

    options: list[list["str | _Group"]] = field(default_factory=lambda: [[]])

    @property
    def count(self) -> int:
        return sum(_count(option) for option in self.options)


def alternatives(text: str) -> list[str]:
    r"""All texts that a text with alternatives stands for. Groups multiply, and may contain groups.

    Equal texts are returned once. Braces without a bar between them are literal. So is a brace or a bar after
    a backslash, which is removed.

    Raises:
        ValueError: there are more than `MAX_EXPANSION` texts, or they are too long together.
    """
    if "{" not in text and "\\" not in text:
        return [text]
    parsed, count = _parsed(text), num_alternatives(text)
    if count > MAX_EXPANSION:
        raise ValueError(f"has {shown(count)} alternatives; at most {MAX_EXPANSION:,}")
    if count > 1 and count * len(text) > MAX_CHARACTERS:
        raise ValueError(
            f"has {count:,} alternatives of up to {len(text):,} characters; write fewer or shorter"
        )
    return list(dict.fromkeys(_written(parsed)))


def num_alternatives(text: str) -> int:
    """How many alternatives there are, including equal ones."""
    return _count(_parsed(text)) if "{" in text else 1


def shown(count: int) -> str:
    """A number for a message; it may have thousands of digits."""
    return f"{count:,}" if count < 10**15 else "more than 1,000,000,000,000,000"


def _count(parts: list[str | _Group]) -> int:
    return prod(part.count for part in parts if isinstance(part, _Group))


def _written(parts: list[str | _Group]) -> list[str]:
    choices = [
        [part] if isinstance(part, str) else [text for option in part.options for text in _written(option)]
        for part in parts
    ]
    return ["".join(chosen) for chosen in product(*choices)]


def _parsed(text: str) -> list[str | _Group]:
    """Texts and groups, in order.

    Raises:
        ValueError: groups are nested more than `MAX_DEPTH` deep.
    """
    open_groups = [_Group()]
    plain: list[str] = []  # characters since the last brace or bar

    def take() -> None:
        if plain:
            open_groups[-1].options[-1].append("".join(plain))
            plain.clear()

    i = 0
    while i < len(text):
        character = text[i]
        if character == "\\" and text[i + 1 : i + 2] and text[i + 1] in _MARKS:
            plain.append(text[i + 1])
            i += 1
        elif character == "{":
            take()
            open_groups.append(_Group())
            if len(open_groups) > MAX_DEPTH + 1:
                raise ValueError(f"has braces more than {MAX_DEPTH} deep")
        elif character == "|" and len(open_groups) > 1:
            take()
            open_groups[-1].options.append([])
        elif character == "}" and len(open_groups) > 1:
            take()
            group = open_groups.pop()
            open_groups[-1].options[-1] += _closed(group)
        else:
            plain.append(character)
        i += 1
    take()
    while len(open_groups) > 1:  # groups that are not closed are literal
        group = open_groups.pop()
        open_groups[-1].options[-1] += ["{", *_joined(group)]
    return open_groups[0].options[0]


def _closed(group: _Group) -> list[str | _Group]:
    return [group] if len(group.options) > 1 else ["{", *group.options[0], "}"]


def _joined(group: _Group) -> list[str | _Group]:
    """The options joined by literal bars."""
    first, *others = group.options
    return [*first, *(part for option in others for part in ("|", *option))]
