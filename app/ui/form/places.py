"""Reads painted words, regions and scaled heads from the browser into fields of a request."""

from collections.abc import Mapping, Sequence
from typing import Any

from limelight.app.ui.access.errors import NotOffered
from limelight.app.ui.access.limits import Limits
from limelight.pipeline.errors import RequestError, UsageError
from limelight.pipeline.requests.item import Edit
from limelight.pipeline.requests.steering import HeadScale, Painted, Region

KINDS: Mapping[str, type[Edit]] = {"paint": Painted, "regions": Region, "heads": HeadScale}


def places_of(value: Any, limits: Limits) -> dict[str, tuple[Edit, ...]]:
    """The fields of a request that a browser's places set; no file is opened.

    Args:
        value: {"paint", "regions", "heads"}, lists of items as a record has them, or None.

    Raises:
        UsageError: they are something else, or too many.
    """
    if not value:
        return {}
    if not isinstance(value, Mapping) or set(value) - set(KINDS):
        raise UsageError("the places did not arrive as places; paint them again")
    found = {name: tuple(map(KINDS[name].of, _items(value.get(name)))) for name in KINDS}
    count = sum(map(len, found.values()))
    if count > limits.max_places:
        raise NotOffered(f"{count:,} places were asked for; at most {limits.max_places} here: remove some")
    return {name: items for name, items in found.items() if items}


def stored_places(stored: Mapping[str, Any]) -> dict[str, Any] | None:
    """The places of a stored request, as the browser has them; None where it has none."""
    return {name: stored[name] for name in KINDS if stored.get(name)} or None


def without_lost_words(value: Any, prompt: Any) -> tuple[Any, list[str]]:
    """Places without those of words that the prompt does not have any more, and the words."""
    if not isinstance(value, Mapping) or not isinstance(prompt, str):
        return value, []
    found: dict[str, Any] = dict(value)
    lost: list[str] = []
    for name, kind in (("paint", Painted), ("regions", Region)):
        found[name] = []
        for item in _items(value.get(name)):
            edit = kind.of(item)
            try:
                edit.check_prompt(prompt)
                found[name].append(item)
            except RequestError:
                lost.append(edit.word)
    return found, lost


def _items(value: Any) -> list[Mapping[str, Any]]:
    """A list of items as a record has them. Raises UsageError for anything else: text could name a file."""
    if value is None:
        return []
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    if not is_list or not all(isinstance(item, Mapping) for item in value):
        raise UsageError("the places did not arrive as places; paint them again")
    if any(not isinstance(item.get("mask"), Mapping | None) for item in value):
        raise UsageError("a mask did not arrive as one; paint a box in its place")
    return list(value)
