"""The rows of a manifest: each with its request and its key."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from limelight.pipeline.batch.errors import Fault, ManifestError
from limelight.pipeline.batch.rows.columns import check_id, own_columns
from limelight.pipeline.batch.rows.expand import Matrix, expand, num_pictures
from limelight.pipeline.batch.rows.manifest import Record, read_manifest
from limelight.pipeline.batch.rows.seeds import is_seed_open, open_seed
from limelight.pipeline.errors import UsageError
from limelight.pipeline.requests.fields import FIELDS
from limelight.pipeline.requests.request import GenerationRequest

MAX_PICTURES = 1_000_000  # of a manifest
RECORDED = ("record", "record_extras", "record_points", "record_queries")


@dataclass(frozen=True, slots=True)
class Row:
    """One picture.

    Attributes:
        line: its line in the manifest.
        id: the caller's name for it, with a number if a manifest row stands for several pictures.
        values: the fields that were given.
        columns: the caller's own columns.
        parameters: digest of the request.
        twin: how many equal requests come before this one.
        number: the number of the picture in the manifest, from 1.
    """

    line: int
    id: str | None
    values: dict[str, Any]
    columns: dict[str, Any]
    parameters: bytes
    twin: int
    number: int

    def request(self) -> GenerationRequest:
        """The request; its images are read when it is resolved."""
        return GenerationRequest(**self.values)

    def key(self, made_by: str) -> str:
        """The key of the row in all runs. It changes if and only if its picture does.

        Args:
            made_by: the content hash of model and adapters.
        """
        return hashlib.sha256(self.parameters + made_by.encode() + self.twin.to_bytes(8, "big")).hexdigest()[
            :24
        ]


@dataclass(frozen=True, slots=True)
class Manifest:
    """All rows, in order.

    Attributes:
        num_twins: rows that repeat the request of an earlier row.
    """

    path: Path
    rows: Sequence[Row]
    num_twins: int


def read_rows(
    path: Path, *, matrix: Matrix | None = None, defaults: Mapping[str, Any] | None = None
) -> Manifest:
    """Reads and checks a whole manifest.

    Args:
        matrix: values of fields; every row is drawn with every combination.
        defaults: values of fields for rows without their own.

    Raises:
        ManifestError: the manifest has faults; the message lists all.
        UsageError: the file cannot be read.
    """
    faults: list[Fault] = []
    rows: list[Row] = []
    seen: Counter[bytes] = Counter()
    ids: dict[str, int] = {}
    drawn: Counter[bytes] = Counter()
    for line, values in _bounded(path, matrix or {}, faults):
        try:
            if is_seed_open(values, matrix or {}, defaults or {}):
                values = values | {"seed": open_seed(values, drawn)}
            expanded = list(expand(values, matrix or {}))
            names = _names(values.get("id"), len(expanded))
            _check_new(names, line, ids)
        except ValueError as error:
            faults.append(Fault(line, str(error)))
            continue
        for number, each in enumerate(expanded):
            try:
                given = dict(defaults or {}) | _given(each, path.parent)
                parameters = _digest(GenerationRequest(**given).opened())
            except UsageError as error:
                faults.append(Fault(line, str(error)))
                break  # the other pictures of the row have the same fault
            own, twin = own_columns(each), seen[parameters]
            rows.append(Row(line, names[number], given, own, parameters, twin, len(rows) + 1))
            seen[parameters] += 1
    if not rows and not faults:
        faults.append(Fault(1, "there is no row; nothing is to be drawn"))
    if faults:
        raise ManifestError(path.name, faults)
    return Manifest(path, rows, len(rows) - len(seen))


def _bounded(path: Path, matrix: Matrix, faults: list[Fault]) -> list[Record]:
    """The rows of a manifest, counted before they are expanded."""
    records: list[Record] = []
    total = 0
    for line, values in read_manifest(path, faults):
        try:
            if "prompt" not in values and "prompt" not in matrix:
                raise ValueError("there is no prompt")
            total += num_pictures(values, matrix)
        except ValueError as error:
            faults.append(Fault(line, str(error)))
            continue
        if total > MAX_PICTURES:
            raise UsageError(
                f"{path.name} stands for {total:,} pictures up to line {line}; at most {MAX_PICTURES:,}: "
                "make several manifests of it"
            )
        records.append((line, values))
    return records


def _names(id: Any, count: int) -> list[str | None]:
    """The id of each picture of a manifest row."""
    if id is None or count == 1:
        return [None if id is None else check_id(id)] * count
    return [f"{check_id(id)}-{number:0{len(str(count - 1))}}" for number in range(count)]


def _check_new(names: Sequence[str | None], line: int, ids: dict[str, int]) -> None:
    """Raises ValueError if a name is taken, ignoring case, since file systems may ignore it."""
    for name in names:
        if name is not None and (other := ids.setdefault(name.casefold(), line)) != line:
            raise ValueError(f"id {name!r} is that of line {other}; give each row one of its own")


def _given(values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The fields of a row; its images and masks lie in the manifest's folder."""
    return {
        name: FIELDS[name].value.within(folder, value) for name, value in values.items() if name in FIELDS
    }


def _digest(request: GenerationRequest) -> bytes:
    """The digest of the fields that affect the picture and differ from their defaults. So a field that is
    added later changes no digest, and neither does what is recorded."""
    defaults = {field.name: field.default for field in fields(request) if field.name not in RECORDED}
    stored = request.to_dict()
    said = {name: stored[name] for name, usual in defaults.items() if getattr(request, name) != usual}
    return hashlib.sha256(json.dumps(said, sort_keys=True, ensure_ascii=False).encode()).digest()
