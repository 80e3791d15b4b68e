"""The list of the words that a model knows; a click on a word or a phrase adds it to the prompt."""

from collections.abc import Iterable
from html import escape

from limelight.app.ui.studio.studio import Studio

GROUPS = {  # titles in the order of the page; other groups follow under their own names, `others` at the end
    "nouns": "Things",
    "synonyms": "Other names of things",
    "counts": "Numbers",
    "colours": "Colours",
    "sizes": "Sizes",
    "materials": "What things are made of",
    "poses": "What things do",
    "relations": "Where things are",
    "places": "Places",
    "stuff": "Parts of places",
    "backgrounds": "Colours of backgrounds",
    "times": "Times of day",
    "weather": "Weather",
    "styles": "Styles",
}
OTHERS = {"others": "Other words"}


def titles(groups: Iterable[str]) -> dict[str, str]:
    """The title of each group of words, in order."""
    present = list(groups)
    own = {group: group.capitalize() for group in present if group not in GROUPS | OTHERS}
    return {group: title for group, title in (GROUPS | own | OTHERS).items() if group in present}


def known_html(studio: Studio) -> str:
    """A closed list for each model with a vocabulary; `page.js` adds a clicked word to the prompt."""
    parts = []
    for name, pipe in studio.pipelines.items():
        if (vocabulary := pipe.model.vocabulary) is None:
            continue
        who = "the model" if len(studio.pipelines) == 1 else escape(name)
        groups = "".join(
            f"<dt>{escape(title)}</dt><dd>{''.join(map(_word, vocabulary.groups[group]))}</dd>"
            for group, title in titles(vocabulary.groups).items()
            if vocabulary.groups[group]
        )
        parts.append(
            f'<details class="known"><summary>Words that {who} knows</summary><dl>{groups}</dl></details>'
        )
    return "".join(parts)


def _word(word: str) -> str:
    return f'<button type="button" class="known-word">{escape(word)}</button>'
