"""The weights that `scripts.gpu.companion` leaves, as one file, and as a checkpoint again."""

from pathlib import Path

from safetensors import safe_open
from torch import nn

from scripts.second.training.packed import read_weights, save_weights
from scripts.training.tools import checkpoint

COMPANIONS = ("judge", "describer", "enlarger")


def write(folder: Path, name: str, modules: dict[str, nn.Module], step: int, log: Path) -> Path:
    """Writes `NAME.safetensors`: weights in float16; step and log are its metadata."""
    path = folder / f"{name}.safetensors"
    save_weights(path, metadata={"step": str(step), "log": log.read_text()}, **modules)
    return path


def join(folder: Path, run: Path) -> list[Path]:
    """Makes each file that `write` left in `folder` the checkpoint of a stage in `run`, without an optimizer,
    and restores its log.

    Raises:
        ValueError: the run has a checkpoint of a later step.
    """
    joined = []
    for name in COMPANIONS:
        file, path = folder / f"{name}.safetensors", run / f"{name}.pt"
        if not file.is_file():
            continue
        with safe_open(file, "pt") as opened:
            facts = opened.metadata()
        step, known = int(facts["step"]), checkpoint.load(path)
        if known is not None and known["step"] > step:
            raise ValueError(f"{path} is of step {known['step']}, {file} of step {step}; move the first away")
        checkpoint.save({"step": step, "optimizers": None, "modules": read_weights(file)}, path)
        (run / f"{name}.jsonl").write_text(facts["log"])
        joined.append(path)
    return joined
