"""A run's numbers, one JSON object a line, and their curve as a picture."""

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

    def plot(self) -> Path:
        """Draws every number over the steps into `NAME.png`."""
        from matplotlib.figure import Figure

        rows = [json.loads(line) for line in self.path.read_text().splitlines()]
        keys = sorted({key for row in rows for key in row} - {"step", "time"})
        figure = Figure(figsize=(4 * len(keys), 3), layout="constrained")
        for axes, key in zip(figure.subplots(1, len(keys), squeeze=False)[0], keys, strict=True):
            points = [(row["step"], row[key]) for row in rows if key in row]
            axes.plot(*zip(*points, strict=True), linewidth=1)
            axes.set(title=key, xlabel="step")
        path = self.path.with_suffix(".png")
        figure.savefig(path, dpi=80)
        return path
