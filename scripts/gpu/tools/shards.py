"""Large files in pieces, for machines that limit the size of the files that come back."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

INDEX = "shards.json"
MOST = 15 * 2**20  # bytes in each piece


class ShardError(ValueError):
    """A piece is missing or damaged."""


def split(files: Iterable[Path], folder: Path, *, most: int = MOST) -> list[Path]:
    """Writes each file's pieces into `folder`, with an index that has the hash of the whole file.

    Returns: what was written, the index last.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written, index = [], {}
    for file in files:
        data = file.read_bytes()
        names = []
        for number, start in enumerate(range(0, max(1, len(data)), most)):
            piece = folder / f"{file.name}.{number:03}"
            piece.write_bytes(data[start : start + most])
            names.append(piece.name)
            written.append(piece)
        index[file.name] = {"sha256": hashlib.sha256(data).hexdigest(), "pieces": names}
    (folder / INDEX).write_text(json.dumps(index, indent=1))
    return [*written, folder / INDEX]


def join(folder: Path, target: Path) -> list[Path]:
    """Joins the files in `target`; a file that exists already must be the same.

    Raises:
        ShardError: a piece is missing, or the whole has another hash.
    """
    target.mkdir(parents=True, exist_ok=True)
    joined = []
    for name, entry in json.loads((folder / INDEX).read_text()).items():
        missing = [piece for piece in entry["pieces"] if not (folder / piece).is_file()]
        if missing:
            raise ShardError(
                f"{name} is in {len(entry['pieces'])} pieces; {', '.join(missing)} is not in {folder}"
            )
        data = b"".join((folder / piece).read_bytes() for piece in entry["pieces"])
        found = hashlib.sha256(data).hexdigest()
        if found != entry["sha256"]:
            raise ShardError(f"{name} has the hash {found}; must be {entry['sha256']}: copy its pieces again")
        path = target / name
        path.write_bytes(data)
        joined.append(path)
    return joined
