"""Reads prompts line by line, with the flags and comments of AUTOMATIC1111's and kohya's scripts."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from limelight.pipeline.batch.errors import Fault
from limelight.pipeline.batch.rows.lines import read_lines
from limelight.pipeline.batch.rows.names import faults_of_names, known

_FLAG = re.compile(r"(?<!\S)--([A-Za-z]\w{0,40}(?:-\w{1,40}){0,4})(?!\S)")
_DASH = re.compile(r"(?<!\S)[\u2012-\u2015\u2212]([A-Za-z]\w{0,40}(?:-\w{1,40}){0,4})(?!\S)")
_LETTERS: Mapping[str, str] = {  # kohya's
    "n": "negative_prompt",
    "w": "width",
    "h": "height",
    "d": "seed",
    "l": "guidance_scale",
    "s": "num_steps",
    "ss": "scheduler",
}


def read_txt(path: Path, faults: list[Fault]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yields the line and its values; a line that begins with # is a comment. The arguments are those of
    `read_manifest`."""
    for line, text in read_lines(path, faults):
        text = text.strip()
        if not text or text.startswith("#"):
            continue
        try:
            yield line, values_of(text)
        except ValueError as error:
            faults.append(Fault(line, str(error)))


def values_of(text: str) -> dict[str, str]:
    """Parses `a red apple --steps 3 --n blurry`, or `--prompt "a red apple" --steps 3`, into columns.

    Raises:
        ValueError: a flag is unknown, given twice, has no value, or begins with the dash that word processors
            make of two hyphens.
    """
    for flag in _DASH.finditer(text):
        if known(_LETTERS.get(flag[1], flag[1])) is not None:
            raise ValueError(f"has {flag[0]}, with a dash; a flag begins with two hyphens: --{flag[1]}")
    flags = list(_FLAG.finditer(text))
    prompt = text[: flags[0].start()].strip() if flags else text
    values = {"prompt": prompt} if prompt else {}
    for number, flag in enumerate(flags, start=1):
        end = flags[number].start() if number < len(flags) else len(text)
        name = _LETTERS.get(flag[1], flag[1])
        if known(name) is None:
            reasons = faults_of_names([name])
            why = reasons[0].partition("; to keep")[0] if reasons else "it cannot be set here"
            raise ValueError(
                f"has the flag --{flag[1]}: {why}; to draw it as words, write the line into a .csv"
            )
        if name in values:
            raise ValueError(f"has the flag --{flag[1]} and says {name} before; give it once")
        value = _unquoted(text[flag.end() : end].strip())
        if not value:
            raise ValueError(f"has the flag --{flag[1]} without a value")
        values[name] = value
    if twice := faults_of_names(values):
        raise ValueError(twice[0])
    return values


def _unquoted(text: str) -> str:
    is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if is_quoted else text
