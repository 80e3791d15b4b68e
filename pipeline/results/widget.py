"""A picture and its words for notebooks, in HTML and CSS only. Without scripts and network, it also works in
a saved notebook."""

import html
from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO

from PIL import Image

from limelight.pipeline.results.overlay import overlay
from limelight.pipeline.results.sheet import LitWord

SIDE = 384  # pixels of the longer side
MAX_WORDS = 80
QUALITY = 85  # of WebP


def light_widget(picture: Image.Image, words: Sequence[LitWord], *, id: str) -> str:
    """The picture, a button for each word, and the map of the word that is chosen or pointed at.

    Args:
        id: letters and digits; unique in the page.
    """
    words = words[:MAX_WORDS]
    scale = SIDE / max(picture.size)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    base = picture.convert("RGB").resize(size, Image.Resampling.BICUBIC)
    first = max(range(len(words)), key=lambda i: float(words[i].values.max()), default=-1)
    shown = [
        ("the picture", base),
        *((each.word.text, overlay(base, each.values, each.top)) for each in words),
    ]
    images, chips, rules = [], [], []
    for number, (name, image) in enumerate(shown):
        text = html.escape(name)
        about = f"where {text} acted" if number else text
        images.append(f'<img class="l{number}" alt="{about}" src="{_source(image)}">')
        checked = " checked" if number == first + 1 else ""
        chips.append(
            f'<label class="w{number}"><input type="radio" name="{id}"{checked}><span>{text}</span></label>'
        )
        rules.append(_RULES.format(id=id, n=number))
    return (
        f'<div id="{id}"><style>{_STYLE.format(id=id, width=size[0])}{"".join(rules)}</style>'
        f'<div class="stack">{"".join(images)}</div>'
        f'<div class="chips" role="radiogroup" aria-label="Words of the prompt">{"".join(chips)}</div></div>'
    )


def _source(image: Image.Image) -> str:
    file = BytesIO()
    image.save(file, "WEBP", quality=QUALITY)
    return f"data:image/webp;base64,{b64encode(file.getvalue()).decode()}"


# The map of the chosen word is shown; that of the word under the pointer covers it.
_RULES = """
#{id}:has(.w{n} input:checked) .l{n} {{ opacity: 1; z-index: 1; }}
#{id}:has(.w{n}:hover) .l{n} {{ opacity: 1; z-index: 2; }}
"""
_STYLE = """
#{id} {{ max-width: {width}px; padding-bottom: 4px; font: 15px/1.4 system-ui, sans-serif; }}
#{id} .stack {{ display: grid; isolation: isolate; }}
#{id} .stack img {{ grid-area: 1/1; width: 100%; margin: 0; border-radius: 6px; opacity: 0; }}
#{id} .chips {{ display: flex; flex-wrap: wrap; gap: 6px; margin-top: 10px; }}
#{id} label {{ position: relative; margin: 0; cursor: pointer; }}
#{id} input {{ position: absolute; opacity: 0; margin: 0; }}
#{id} span {{ display: inline-block; padding: 4px 12px; border-radius: 14px;
  border: 1px solid color-mix(in srgb, currentColor 30%, transparent); }}
#{id} label:hover span {{ border-color: currentColor; }}
#{id} input:checked + span {{ background: #c9f24b; border-color: #c9f24b; color: #1c1b1a; }}
#{id} input:focus-visible + span {{ outline: 2px solid currentColor; outline-offset: 2px; }}
"""
