"""Reads the `parameters` text of AUTOMATIC1111's web UI and similar programs, in one pass."""

import json
from collections.abc import Mapping
from typing import Any

from limelight.pipeline.requests.fields import FIELDS, OPEN_SEED
from limelight.pipeline.results.foreign.fields import BadParameters, put, put_sampler, put_size, shown, sides
from limelight.pipeline.text.syntax import ANY_NETWORK, remedy

MAX_LINES_BEHIND = 50  # lines of templates after the settings
SIZE, STRENGTH, UPSCALE = "Size", "Denoising strength", "Hires upscale"
_NEGATIVE, _SCHEDULE, _RESIZE, _FIRST = "Negative prompt:", "schedule type", "hires resize", "first pass size"
_FIELDS: Mapping[str, str] = {
    field.a1111.lower(): name
    for name, field in FIELDS.items()
    if field.a1111 and field.a1111 not in (SIZE, STRENGTH, "Sampler")
}
_SPELLINGS: Mapping[str, str] = {
    "cfg": "cfg scale",
    "guidance scale": "cfg scale",
    "hires scale": "hires upscale",
    "hires strength": "denoising strength",
    "denoise": "denoising strength",
    "denoising": "denoising strength",
    "clipskip": "clip skip",
    "sampling method": "sampler",
    "sampler name": "sampler",
    "scheduler": "schedule type",
    "schedule": "schedule type",
}


def record_of(parameters: str) -> dict[str, Any]:
    """The record in a `parameters` text. It has `request` with the known fields, `model`, `version`, and
    `ignored` with all other settings by their names.

    Raises:
        BadParameters: the text has another format, or a number in it is invalid.
    """
    lines = parameters.strip().split("\n")
    last, settings = _settings_line(lines)
    ignored = _behind(lines[last + 1 :])
    request: dict[str, Any] = _prompts(lines[:last], ignored)
    given = {_key(name): (name, value) for name, value in settings.items()}

    def take(key: str) -> str:
        return given.pop(key, ("", ""))[1]

    version = take("version") or "unknown"
    model = {"name": take("model") or "unknown", "hash": take("model hash")}
    for key, name in _FIELDS.items():
        if text := take(key):
            put(request, name, FIELDS[name].a1111, text)
    if request.get("seed") == OPEN_SEED:  # the program drew a seed and did not record it
        ignored["Seed"] = str(request.pop("seed"))
    if size := take("size"):
        put_size(request, SIZE, size)
    if label := take("sampler"):
        put_sampler(request, ignored, "Sampler", label, take(_SCHEDULE))
    _take_second_pass(request, take(_RESIZE), take(_FIRST), ignored)
    if strength := take(STRENGTH.lower()):
        put(request, "hires_strength" if "hires_scale" in request else "strength", STRENGTH, strength)
    if "strength" in request:
        ignored[STRENGTH] = f"{strength}, of an image that the file does not hold; give it to draw over it"
    if not version.startswith("Limelight"):
        request["prompt_syntax"] = "a1111"
    ignored |= {name: shown(value) for name, value in given.values()}
    return {
        "program": "AUTOMATIC1111's web UI or its like",
        "version": shown(version),
        "request": request,
        "model": model,
        "ignored": ignored,
    }


def _key(name: str) -> str:
    plain = " ".join(name.lower().replace("_", " ").split())
    return _SPELLINGS.get(plain, plain)


def _settings_line(lines: list[str]) -> tuple[int, dict[str, str]]:
    """The number of the line with the settings, and the settings."""
    for number in range(len(lines) - 1, max(-1, len(lines) - 1 - MAX_LINES_BEHIND), -1):
        if "steps:" in lines[number].lower():
            settings = settings_of(lines[number])
            if {"steps", "seed"} <= {_key(name) for name in settings}:
                return number, settings
    raise BadParameters("the text named parameters does not end in a line with Steps and Seed")


def settings_of(line: str) -> dict[str, str]:
    """Parses `Key: value, Key: "a quoted, value", ...`. An unquoted value with a comma ends at the next
    key."""
    settings: dict[str, str] = {}
    key, i = "", 0
    while i < len(line):
        end = _end(line, i)
        colon = line.find(":", i, end)
        name = line[i:colon].strip() if colon >= 0 else ""
        if name and line[colon + 1 : colon + 3].lstrip()[:1] == '"':
            opening = line.index('"', colon)
            text, after = _quoted(line, opening)
            if text is not None:
                settings[name], key, i = text, name, after
                continue
        if name:
            key = name
            settings[key] = line[colon + 1 : end].strip()
        elif key:
            settings[key] = f"{settings[key]},{line[i:end].rstrip()}"
        i = end + 1
    return settings


def _end(line: str, i: int) -> int:
    """The end of the unquoted setting that begins at `i`."""
    comma = line.find(",", i)
    return len(line) if comma < 0 else comma


def _quoted(line: str, opening: int) -> tuple[str | None, int]:
    """The text of a JSON string, and where the next setting begins; None if it is no valid string."""
    i = opening + 1
    while i < len(line) and line[i] != '"':
        i += 2 if line[i] == "\\" else 1
    after = line[i + 1 : i + 2] if i < len(line) else "?"
    if after not in ("", ","):
        return None, opening
    try:
        return str(json.loads(line[opening : i + 1])), i + 2
    except ValueError:
        return None, opening


def _behind(lines: list[str]) -> dict[str, str]:
    """The text after the settings: the templates of the prompts."""
    left_out: dict[str, str] = {}
    name = "Text behind the settings"
    for line in lines:
        key, colon, text = line.partition(":")
        if colon and key.strip() in ("Template", "Negative Template"):
            name, line = key.strip(), text
        left_out[name] = shown(f"{left_out.get(name, '')} {line.strip()}".strip())
    return left_out


def _prompts(lines: list[str], left_out: dict[str, str]) -> dict[str, Any]:
    """Prompt and negative prompt, without tags that load networks."""
    at = next((i for i, line in enumerate(lines) if line.startswith(_NEGATIVE)), len(lines))
    prompt, negative = "\n".join(lines[:at]), "\n".join(lines[at:]).removeprefix(_NEGATIVE)
    texts = {"prompt": prompt.strip(), "negative_prompt": negative.strip()}
    for name, text in texts.items():
        for tag in ANY_NETWORK.finditer(text):
            left_out[shown(tag[0])] = remedy(tag)
        texts[name] = ANY_NETWORK.sub("", text).strip()
    return dict(texts)


def _take_second_pass(request: dict[str, Any], resize: str, first: str, left_out: dict[str, str]) -> None:
    """Reads `Hires resize`, the size of the second pass, and `First pass size` of versions before 2023."""
    width, height = request.get("width", 0), request.get("height", 0)
    if first and width and height:
        small = sides("First pass size", first)
        if all(small):
            request |= {"width": small[0], "height": small[1]}
            _put_scale(request, (width, height), "First pass size", first, left_out)
        else:
            left_out["First pass size"] = first
    if resize and width and height:
        large = sides("Hires resize", resize)
        large = large[0] or round(width * large[1] / height), large[1] or round(height * large[0] / width)
        _put_scale(request, large, "Hires resize", resize, left_out)


def _put_scale(
    request: dict[str, Any], large: tuple[int, int], key: str, text: str, left_out: dict[str, str]
) -> None:
    """Sets `hires_scale`, if one factor fits both sides."""
    across, down = large[0] / request["width"], large[1] / request["height"]
    if across < 1 or abs(across - down) * request["height"] >= 8:
        left_out[key] = f"{text}, which is another shape"
    elif across > 1:
        request["hires_scale"] = across
