"""The log of a run: one JSON object a line."""

import json
import time
from pathlib import Path


class Log:
    """Appends to `folder/NAME.jsonl` and prints the same line."""

    def __init__(self, folder: Path, name: str):
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{name}.jsonl"

    def write(self, step: int, **numbers: float) -> None:
        row = {"step": step, "time": round(time.time(), 1)} | {
            key: round(value, 6) for key, value in numbers.items()
        }
        with self.path.open("a") as stream:
            stream.write(json.dumps(row) + "\n")
        print(
            self.path.stem, *(f"{key} {value:g}" for key, value in row.items() if key != "time"), flush=True
        )
