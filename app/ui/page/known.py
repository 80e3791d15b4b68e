"""The list of the words that a model knows; a click on one adds it to the prompt."""

from html import escape

from limelight.app.ui.studio.studio import Studio

GROUPS = {"nouns": "Things", "counts": "Numbers", "relations": "Where they are", "others": "Other words"}


def known_html(studio: Studio) -> str:
    """A closed list for each model with a vocabulary; `page.js` adds a clicked word to the prompt."""
    parts = []
    for name, pipe in studio.pipelines.items():
        if (vocabulary := pipe.model.vocabulary) is None:
            continue
        who = "the model" if len(studio.pipelines) == 1 else escape(name)
        groups = "".join(
            f"<dt>{escape(GROUPS.get(group, group.capitalize()))}</dt><dd>{''.join(map(_word, words))}</dd>"
            for group, words in vocabulary.groups.items()
        )
        parts.append(
            f'<details class="known"><summary>Words that {who} knows</summary><dl>{groups}</dl></details>'
        )
    return "".join(parts)


def _word(word: str) -> str:
    return f'<button type="button" class="known-word">{escape(word)}</button>'
