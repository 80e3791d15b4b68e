"""The record of a picture as readable lines: the request, then what drew it."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from limelight.pipeline.requests.fields import FIELDS, names_by_a1111
from limelight.pipeline.requests.request import GenerationRequest

_USUAL = {field.name: field.default for field in fields(GenerationRequest)}
_SIDES = names_by_a1111("Size")
_ALWAYS = [name for name, field in FIELDS.items() if field.a1111 in ("Seed", "Steps", "CFG scale")]
_EMPTY: tuple[Any, ...] = (None, False, "", [], {})
_HASH = 12  # characters; `inspect --json` has all
_OF_EDITS = ("keep", "blend")  # whose defaults say nothing of another picture
_HANDLED = ("request", "model", "enlarged", "device", "dtype", "versions", "limelight")
_TECHNICAL = ("filter_bytes", "vae_tiled", "is_constant")  # other lines describe their effects


def lines_of(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and values, in order; values at their defaults are left out.

    Args:
        record: as read from a file; values may have any type.
    """
    return [(name, text) for name, text in _lines(record) if text]


def _lines(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from _request(_mapping(record.get("request")))
    yield "saved", _saved(record.get("enlarged"))
    if record.get("is_constant") is True:
        yield "note", "a single colour"
    yield "model", _model(record.get("model"))
    for name in sorted(record.keys() - {*_HANDLED, *_TECHNICAL}):
        value = record[name]
        for inner, each in value.items() if isinstance(value, dict) else [("", value)]:
            yield f"{name} {inner}".strip().replace("_", " "), _text(each)
    yield "drawn on", ", ".join(filter(None, (_text(record.get("device")), _text(record.get("dtype")))))
    versions = {"limelight": record.get("limelight"), **_mapping(record.get("versions"))}
    yield "versions", ", ".join(f"{name} {_text(each)}" for name, each in versions.items() if _text(each))


def _request(request: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    ordered = {name: request[name] for name in FIELDS if name in request} | dict(request)
    sides = [ordered.get(name) for name in _SIDES]
    for name, value in ordered.items():
        if name in _OF_EDITS and not ordered.get("edit_of"):
            continue
        if name in _SIDES and None not in sides:
            if name == _SIDES[0]:
                yield "size", " x ".join(map(_text, sides))
        elif name in _ALWAYS or value != _USUAL.get(name, value if value in _EMPTY else None):
            yield name.replace("_", " "), _text(value)


def _saved(enlarged: Any) -> str:
    if not isinstance(enlarged, dict):
        return _text(enlarged)
    before, after = (_text(enlarged.get(key)).replace(", ", " x ") for key in ("from", "to"))
    return f"enlarged from {before} to {after} pixels by {_text(enlarged.get('by'))}"


def _model(model: Any) -> str:
    if not isinstance(model, dict):
        return _text(model)
    about = [_text(model.get("family")), _text(model.get("hash"))[:_HASH]]
    known = ", ".join(filter(None, about))
    return f"{_text(model.get('name'))} ({known})" if known else _text(model.get("name"))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    if any(value is each or (type(value) is type(each) and value == each) for each in _EMPTY):
        return ""
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return str(value)
