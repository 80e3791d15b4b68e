"""Stores a trained judge next to this file: `python -m scripts.second.scoring.kept RUN`. Evaluations then use
it, unless they are given the folder of a run."""

import argparse
from pathlib import Path

from safetensors.torch import load_file, save_file

from scripts.second.scoring.judge import Judge
from scripts.second.scoring.judge_stage import trained_judge
from scripts.second.training.packed import shortened

KEPT = Path(__file__).with_name("judge.safetensors")
RUN = Path("build/train2")


def load_judge(run: Path | None) -> Judge:
    """The judge of stage `judge` of `run`; without a run the one that is kept, or else that of `RUN`.

    Raises:
        FileNotFoundError: stage `judge` has not run.
    """
    if run is not None or not KEPT.exists():
        return trained_judge(run or RUN)
    judge = Judge()
    judge.load_state_dict(load_file(KEPT))
    return judge.eval()


def keep_judge(run: Path, path: Path) -> None:
    """Stores the judge of `run`, its weights in float16.

    Raises:
        FileNotFoundError: stage `judge` has not run.
    """
    weights = trained_judge(run).state_dict()
    stored = {name: shortened(x.half()) if x.is_floating_point() else x for name, x in weights.items()}
    save_file(stored, path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, default=KEPT, help="a file, if not the one that evaluations use")
    options = parser.parse_args()
    keep_judge(options.run, options.out)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.1f} MB")
