"""The findings of the check: a line of JSON each, written at once, and tables of them."""

import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Verdict = Literal["right", "wrong", "measured", "refused", "failed"]
RESULTS = "results.jsonl"


@dataclass(frozen=True, slots=True)
class Finding:
    """One result.

    Attributes:
        case: what was looked at, such as "SDXL 1024, self, sdpa, float16".
        verdict: `right` and `wrong` answer a question that has an answer; `measured` has numbers only;
            `refused` is a refusal in words, as it should be; `failed` is an error, or no time.
        numbers: by column; a text is allowed where it is short.
    """

    case: str
    verdict: Verdict
    numbers: Mapping[str, float | str] = field(default_factory=dict)
    words: str = ""


class Lines:
    """The results of a run, appended to one file of JSON lines by any of its processes."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / RESULTS

    def write(self, part: str, finding: Finding) -> None:
        self._append({"part": part, **asdict(finding)})

    def event(self, part: str, event: str, **facts: Any) -> None:
        """Writes that a part has begun or ended, or facts that the results depend on."""
        self._append({"part": part, "event": event, "at": time.time(), **facts})

    def read(self) -> list[dict[str, Any]]:
        """All lines so far, without a line that was cut off."""
        found = []
        for line in self.path.read_text().splitlines() if self.path.exists() else ():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found

    def _append(self, line: Mapping[str, Any]) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())


def findings(lines: Iterable[Mapping[str, Any]], part: str) -> list[Finding]:
    """The findings of one part."""
    return [
        Finding(line["case"], line["verdict"], line["numbers"], line["words"])
        for line in lines
        if line["part"] == part and "case" in line
    ]


def table(found: Sequence[Finding]) -> tuple[list[str], list[list[str]]]:
    """Columns and rows: the case, the verdict, every number that any finding has, and the words."""
    names = list(dict.fromkeys(name for each in found for name in each.numbers))
    has_words = any(each.words for each in found)
    columns = ["case", "verdict", *names, *(["remark"] if has_words else [])]
    rows = [
        [
            each.case,
            each.verdict,
            *(_text(each.numbers.get(name, "")) for name in names),
            *([each.words.replace("|", "/").replace("\n", " ")] if has_words else []),
        ]
        for each in found
    ]
    return columns, rows


def _text(value: float | str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:.0f}"
    return f"{value:.3g}"
