"""Names the files of pictures: by the key of the row, or by its number and prompt."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from limelight.pipeline.batch.rows.rows import Row
from limelight.pipeline.errors import UnknownName
from limelight.pipeline.results.png import NoRecord, read_record

Naming = Literal["key", "prompt"]
NAMINGS: tuple[Naming, ...] = get_args(Naming)
MAX_FLAT = 10_000  # pictures in one folder; more are spread over many folders
MAX_WORDS = 60  # characters of a prompt
_DIGITS = 4  # at least
_NO_WORD = re.compile(r"[^a-z0-9]+")


def naming_of(name: str) -> Naming:
    """The naming with this name. Raises UnknownName if there is none."""
    for naming in NAMINGS:
        if name == naming:
            return naming
    raise UnknownName("names", name, NAMINGS)


@dataclass(slots=True)
class FileNames:
    """Gives every picture of a run its own file.

    Args:
        used: key of a row -> the file that its picture has or had; the picture keeps that file.
    """

    output: Path
    num_rows: int
    used: Mapping[str, str]
    naming: Naming = "key"
    _taken: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self._taken = {file.casefold() for file in self.used.values()}

    def of(self, row: Row, key: str) -> str:
        """A file for the picture that belongs to no other, so that no picture overwrites another."""
        if (file := self.used.get(key)) is not None:
            return file
        if self.naming == "key":
            return by_key(row, key, self.num_rows)
        file = by_prompt(row, self.num_rows)
        if file.casefold() in self._taken or not self._is_free(file, key):
            path = Path(file)
            file = path.with_stem(f"{path.stem}-{key[:10]}").as_posix()
        return file

    def _is_free(self, file: str, key: str) -> bool:
        """Whether the file does not exist, or was written for this row by a process that died."""
        path = self.output / file
        if not path.exists():
            return True
        try:
            row = read_record(path).get("row")
        except NoRecord:
            return False
        return isinstance(row, dict) and row.get("key") == key


def by_key(row: Row, key: str, num_rows: int) -> str:
    """A name from id and key, which contains nothing of the prompt."""
    name = f"{row.id}-{key[:10]}.png" if row.id else f"{key}.png"
    return name if num_rows <= MAX_FLAT else f"{key[:2]}/{name}"


def by_prompt(row: Row, num_rows: int) -> str:
    """`0001-a-red-apple.png`: the number in the manifest, the id if there is one, words of the prompt."""
    digits = max(_DIGITS, len(str(num_rows)))
    number = f"{row.number:0{digits}}"
    words = words_of(str(row.values.get("prompt", "")))
    name = f"{'-'.join(filter(None, (number, row.id, words)))}.png"
    return name if num_rows <= MAX_FLAT else f"{number[:-3]}/{name}"


def words_of(prompt: str) -> str:
    """Whole words of a prompt in Latin letters and digits, joined by dashes."""
    # Only the beginning of a long prompt is read. In this form, accents are separate characters.
    plain = unicodedata.normalize("NFKD", prompt[: 20 * MAX_WORDS]).encode("ascii", "ignore").decode().lower()
    words = _NO_WORD.sub("-", plain).strip("-")
    if len(words) <= MAX_WORDS:
        return words
    cut = words[: MAX_WORDS + 1]
    return (cut.rpartition("-")[0] or cut[:MAX_WORDS]).strip("-")
