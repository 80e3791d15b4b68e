"""The words that the page's models know, to be added to the prompt by a click."""

from html import escape

from limelight.app.ui.studio.studio import Studio

GROUPS = {"nouns": "Things", "counts": "Numbers", "relations": "Where they are", "others": "Other words"}


def known_html(studio: Studio) -> str:
    """A list to open for each model that lists its words; `page.js` adds a word that is clicked."""
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
