"""The gallery of a run: pages that need no server, with a search for words and filters by column."""

import html
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib import resources
from typing import Any

from limelight.pipeline.batch.rows.columns import FIELDS
from limelight.pipeline.batch.rows.rows import RECORDED

Entry = dict[str, Any]  # a row of the index

PAGE = 1000  # pictures
MAX_CHOICES = 40  # values of a column that can be filtered by
MAX_VALUE = 60  # characters of such a value
MAX_PROMPT = 300  # characters that are shown
# Columns of the index that are neither the caller's nor useful as filters.
_NO_FILTER = {
    *("key", "id", "line", "status", "file", "error", "is_constant", "seconds", "maps"),
    *("check", "weakest", "described"),
    *("prompt", "seed", *RECORDED),
}


def pages_of(entries: Sequence[Entry]) -> Iterator[tuple[str, str]]:
    """File name and HTML of each page. All text of the user is escaped."""
    filters = filters_of(entries)
    num_drawn = sum(entry["status"] == "done" for entry in entries)
    title = f"{num_drawn:,} of {len(entries):,} pictures"
    parts = [entries[i : i + PAGE] for i in range(0, len(entries), PAGE)]
    page = resources.files(__package__).joinpath("gallery.html").read_text(encoding="utf-8")
    for number, part in enumerate(parts):
        values = {
            "title": title,
            "pages": _links(number, len(parts)),
            "filters": "".join(map(_select, filters, filters.values())),
            "failed": _failed([entry for entry in part if entry["status"] == "failed"]),
            "tiles": "\n".join(_tile(entry, list(filters)) for entry in part if entry["status"] == "done"),
        }
        yield page_name(number), _filled(page, values)


def page_name(number: int) -> str:
    return "index.html" if number == 0 else f"index-{number + 1}.html"


def filters_of(entries: Sequence[Entry]) -> dict[str, list[str]]:
    """Column -> its sorted values, for columns with few values that pictures share."""
    found: dict[str, Counter[str]] = {}
    for entry in entries:
        for name, value in entry.items():
            if name not in _NO_FILTER and (text := _shown(value)):
                values = found.setdefault(name, Counter())
                if text in values or len(values) <= MAX_CHOICES:
                    values[text] += 1
    return {
        name: _sorted(values)
        for name, values in found.items()
        if 2 <= len(values) <= MAX_CHOICES and max(values.values()) > 1 and max(map(len, values)) <= MAX_VALUE
    }


def _sorted(values: Collection[str]) -> list[str]:
    """The values with numbers first, in numerical order."""

    def rank(text: str) -> tuple[bool, float, str]:
        try:
            return False, float(text), text
        except ValueError:
            return True, 0.0, text.casefold()

    return sorted(values, key=rank)


def _shown(value: object) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False, default=str)


def _filled(page: str, values: Mapping[str, str]) -> str:
    """The page with every `<!--name-->` replaced, in one pass, so that no value can contain a placeholder."""
    first, *rest = page.split("<!--")
    parts = [first]
    for part in rest:
        name, _, after = part.partition("-->")
        parts += [values[name], after]
    return "".join(parts)


def _links(number: int, num_pages: int) -> str:
    if num_pages == 1:
        return ""
    links = " ".join(
        f'<b aria-current="page">{i + 1}</b>'
        if i == number
        else f'<a href="{page_name(i)}" data-page>{i + 1}</a>'
        for i in range(num_pages)
    )
    return f'<nav aria-label="Pages">{links}</nav>'


def _select(name: str, values: Sequence[str]) -> str:
    options = "".join(f"<option>{html.escape(value)}</option>" for value in values)
    label = html.escape(name.replace("_", " ").strip())
    return (
        f'<label>{label} <select name="by:{html.escape(name)}"><option value="">all</option>{options}'
        "</select></label>"
    )


def _failed(entries: Sequence[Entry]) -> str:
    if not entries:
        return ""
    lines = "".join(
        f"<li>line {entry['line']}, <q>{html.escape(_brief(entry))}</q>: {html.escape(entry['error'])}</li>"
        for entry in entries
    )
    return f"<details open><summary>{len(entries)} failed</summary><ul>{lines}</ul></details>"


def _brief(entry: Entry) -> str:
    return str(entry["prompt"])[:MAX_PROMPT]


def _tile(entry: Entry, filters: Sequence[str]) -> str:
    file, prompt = html.escape(entry["file"]), html.escape(_brief(entry))
    name = html.escape(str(entry["id"] or entry["key"][:8]))
    values = [_shown(entry.get(name)) for name in filters]
    own = [_shown(value) for name, value in entry.items() if name not in _NO_FILTER and name not in FIELDS]
    notes = [f"{name} · seed {entry.get('seed', 0)}"]
    if facts := " · ".join(text[:MAX_VALUE] for text in own if text):
        notes.append(html.escape(facts))
    if entry["maps"]:
        notes.append(f'<a href="{html.escape(entry["maps"])}">where each word acted</a>')
    if entry.get("check") is not None:
        notes.append(f"words fit {entry['check']:.2f}, least {html.escape(entry['weakest'] or 'none')}")
    if entry.get("described") is not None:
        notes.append(f"as the describer sees it {entry['described']:.2f}")
    if entry["is_constant"]:
        notes.append("<em>a single colour</em>")
    lines = "".join(f"<small>{note}</small>" for note in notes)
    words = html.escape(" ".join([str(entry["prompt"]), str(entry["id"] or ""), entry["key"], *own]).lower())
    return (
        f'<figure data-words="{words}" data-values="{html.escape(json.dumps(values, ensure_ascii=False))}">'
        f'<a href="{file}"><img loading="lazy" src="{file}" alt="{prompt}"></a>'
        f"<figcaption>{prompt or '<i>an empty prompt</i>'}{lines}</figcaption></figure>"
    )
