"""Measures and draws all that a release of the second edition needs: `python -m scripts.second.release MODEL
--first FIRST --judge-run RUN --out FOLDER`.

Each step is a command in a process of its own, two at once. FOLDER/NAME.md is its command and what it prints,
ready to be pasted; FOLDER/NAME.log is what else it says. A second call goes on: it leaves out the steps whose
NAME.md has the same command, and runs again those that failed. In the end FOLDER/summary.md has each score
and what it must be. Nothing takes the place of what is shipped; of MODEL only maps.json is written.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.second.release.bars import OVERALL, summary
from scripts.second.release.running import run
from scripts.second.release.steps import all_steps


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--first", type=Path, required=True, help="folder of the first edition's model")
    parser.add_argument(
        "--judge-run", type=Path, required=True, help="where the judge was trained, and maybe the describer"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="the steps to run, if not all")
    parser.add_argument("--at-once", type=int, default=2, help="steps that run at once, a core each")
    parser.add_argument("--steps", type=int, help="of a picture; the default if omitted")
    parser.add_argument("--guidance", type=float, help="the model's own if omitted")
    parser.add_argument("--scheduler", help="a name of `limelight generate --scheduler`")
    parser.add_argument("--overall", type=float, default=OVERALL, help="what the six tasks must reach")
    parser.add_argument("--small", action="store_true", help="the least sizes, for a rehearsal")
    options = parser.parse_args(argv)
    steps = all_steps(options)
    names = [step.name for step in steps]
    if unknown := [name for name in options.only or () if name not in names]:
        parser.error(f"{unknown[0]!r} is no step; must be one of {', '.join(names)}")
    options.out.mkdir(parents=True, exist_ok=True)
    chosen = [step for step in steps if not options.only or step.name in options.only]
    failed = run(chosen, options.out, options.at_once)
    text = summary(options.out, options.overall)
    (options.out / "summary.md").write_text(text + "\n", encoding="utf-8")
    print(text, flush=True)
    for name in failed:
        print(f"{name} failed; see {options.out / name}.log", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
