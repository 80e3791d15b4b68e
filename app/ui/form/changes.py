"""What a visitor changes in a picture that is drawn again: a word, its weight, the seed, places."""

from collections.abc import Mapping
from typing import Any

from limelight.app.ui.form.places import KINDS
from limelight.app.ui.form.settings import seed_of
from limelight.app.ui.form.weights import reweigh, reword
from limelight.pipeline.errors import UsageError
from limelight.pipeline.segments import spelled, words_in


def changes_of(event: Any, stored: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a picture that an event changes, with their new values.

    Args:
        event: "seed"; "places"; or the "span" of a word in the prompt, and for it a "weight" in the prompt, a
            "scale" of its attention, which keeps the picture, or another "word", with which "keeps" keeps the
            picture as far as the prompts agree, and "only" all outside the word's place.
        stored: the picture's settings, unchecked.

    Raises:
        UsageError: the event does not say what to change, or the picture cannot be kept.
    """
    if not isinstance(event, Mapping):
        return {}
    changes: dict[str, Any] = {}
    if event.get("span") is not None:
        changes |= _of_word(event, stored)
    if event.get("seed") is not None:
        changes["seed"] = seed_of(event["seed"])
    if isinstance(places := event.get("places"), Mapping):
        changes |= {name: places.get(name) for name in KINDS}
    return changes


def _of_word(event: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    prompt, word, scale = str(stored.get("prompt")), event.get("word"), event.get("scale")
    try:
        first, after = (int(each) for each in event["span"])
        is_another = isinstance(word, str)
        number = 1.0 if is_another else float(event.get("weight") if scale is None else scale)  # type: ignore[arg-type]
    except (ValueError, TypeError, OverflowError):
        raise UsageError("a word's span is two whole numbers, and its weight a number") from None
    if isinstance(word, str):
        changed = {"prompt": reword(prompt, (first, after), word)}
        if event.get("keeps") is True:
            only = [word.strip()] if event.get("only") is True else []
            return changed | edit_of(stored, changed["prompt"], only)
        return changed | {"edit_of": None, "blend_words": []}
    if scale is None:
        return {"prompt": reweigh(prompt, (first, after), number)}
    return scaled(stored, prompt[max(0, first) : max(0, after)], number)


def edit_of(stored: Mapping[str, Any], prompt: str, words: list[str]) -> dict[str, Any]:
    """The settings that make a prompt an edit of a stored picture, or of what that is an edit of. Words keep
    the weights of their attention.

    Args:
        words: outside whose places nothing changes; none for no such limit.

    Raises:
        UsageError: its picture cannot be kept.
    """
    base, weights = stored.get("edit_of"), _weights(stored)
    if base is None and weights:
        raise UsageError(
            "that picture has weights of words, which an edit does not keep; draw it without, or without "
            "keeping the picture"
        )
    there = {spelled(word) for word in words_in(prompt)}
    left = [each for each in weights if {spelled(word) for word in words_in(str(each.get("word")))} <= there]
    return {"edit_of": base or stored.get("prompt"), "blend_words": words, "scale_words": left}


def scaled(stored: Mapping[str, Any], word: str, scale: float) -> dict[str, Any]:
    """The settings that give a word of a stored picture another weight of attention, and keep the picture.

    A picture that has such weights and is no edit stays none: there is no other picture to keep. An edit
    that changes nothing is no edit.
    """
    weights = [each for each in _weights(stored) if spelled(str(each.get("word"))) != spelled(word)]
    is_own = stored.get("edit_of") is None and bool(_weights(stored))
    if scale != 1:
        weights.append({"word": word, "scale": scale})
    base = None if is_own else stored.get("edit_of") or stored.get("prompt")
    if base == stored.get("prompt") and not weights:
        base = None
    changed = {"edit_of": base, "scale_words": weights}
    return changed if base is not None else changed | {"blend_words": []}


def _weights(stored: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Words and their weights of attention."""
    found = stored.get("scale_words") or []
    if not isinstance(found, list | tuple) or not all(isinstance(each, Mapping) for each in found):
        raise UsageError("the weights of words are no list of words and scales")
    return list(found)
