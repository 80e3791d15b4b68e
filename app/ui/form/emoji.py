"""Replaces emoji by the words for what they show, if the model knows those."""

from limelight.pipeline.reading.others import with_article
from limelight.pipeline.segments import word_spans
from limelight.pipeline.text.near import Near


def spelled_out(prompt: str, near: Near) -> tuple[str, dict[str, str]]:
    """Replaces the emoji of a prompt that the table has words for, and lets articles before them fit.

    Returns:
        The new prompt, and emoji -> its words, in their order.
    """
    found: dict[str, str] = {}
    text, done, was_emoji = "", 0, False
    for start, end in word_spans(prompt):
        typed = prompt[start:end]
        shown = near.shown(typed)
        if shown is not None:
            found[typed] = shown
        touches = 0 < start == done
        text += " " if touches and (was_emoji or shown is not None) else prompt[done:start]
        text = text + typed if shown is None else with_article(text, shown) + shown
        done, was_emoji = end, shown is not None
    return text + prompt[done:], found
