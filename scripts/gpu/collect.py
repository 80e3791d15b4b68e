"""Makes a page of the results of a GPU check: `python -m scripts.gpu.collect FOLDER... -o
docs/benchmarks/NAME-gpu.md`.

Each FOLDER is what `scripts.gpu.check` wrote with `--out`; of a part that was run more than once the last run
counts. Large files that came in pieces, as `scripts.gpu.train` leaves them, are put together by `--join`, and
the weights that `scripts.gpu.companion` left become checkpoints.
"""

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.benchmarks.tools.plot import draw
from scripts.benchmarks.tools.report import Report, Section
from scripts.gpu.table import PARTS
from scripts.gpu.tools import companions
from scripts.gpu.tools.findings import RESULTS, Finding, Lines, findings, table
from scripts.gpu.tools.shards import INDEX, join

RATIOS = ("of diffusers' best", "of diffusers", "of sdpa", "of unrecorded")
WAY = re.compile(r"(.*?), ((?:diffusers|ours|sdpa|kernel|unrecorded|grid|site|head)\b.*)")
FACTS = (
    "device",
    "memory, GiB",
    "driver",
    "cuda",
    "cudnn",
    "python",
    "torch",
    "triton",
    "diffusers",
    "xformers",
)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, help="a Markdown file; standard output if not given")
    parser.add_argument("--title", default="On a GPU")
    parser.add_argument(
        "--join", type=Path, metavar="RUN", help="folder for files that came in pieces and for checkpoints"
    )
    options = parser.parse_args(argv)
    try:
        for folder in options.folders:
            if options.join is not None and (folder / INDEX).is_file():
                for path in join(folder, options.join):
                    print(f"{path}: whole", file=sys.stderr)
            for path in companions.join(folder, options.join) if options.join is not None else ():
                print(f"{path}: checkpoint", file=sys.stderr)
    except ValueError as error:
        parser.error(str(error))
    runs = [Lines(folder).read() for folder in options.folders if (folder / RESULTS).is_file()]
    if not runs:
        if options.join is not None:
            return 0
        parser.error(f"no {RESULTS} in {', '.join(map(str, options.folders))}")
    write(options.title, runs, options.output)
    return 0


def write(title: str, runs: Sequence[Sequence[Mapping[str, Any]]], output: Path | None) -> None:
    report = Report(title, "", sections(runs))
    text = [f"# {title}", "", *heads(runs)]
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        plot = output.with_suffix(".svg")
        if draw([report], plot):
            text += [f"![the ratios, as bars]({plot.name})", ""]
    text += report.body(1)
    whole = "\n".join(text).rstrip() + "\n"
    if output is None:
        print(whole)
    else:
        output.write_text(whole)


def heads(runs: Sequence[Sequence[Mapping[str, Any]]]) -> list[str]:
    """For each run its device, versions and command; equal devices and versions are named once."""
    text: list[str] = []
    for lines in runs:
        for line in lines:
            if line.get("event") == "facts":
                facts = ", ".join(f"{name} {line[name]}" for name in FACTS if line.get(name))
                text += [] if f"{facts}." in text else [f"{facts}.", ""]
                text += [f"    {line['command']}", ""]
    return text


def sections(runs: Sequence[Sequence[Mapping[str, Any]]]) -> list[Section]:
    """A table for each part, from the last run of the part."""
    found = []
    for name, part in PARTS.items():
        several = [each for lines in runs if (each := findings(last_run(lines, name), name))]
        if several:
            columns, rows = table(several[-1])
            found.append(Section(part.title, columns=columns, rows=rows, num_texts=2, bars=bars(several[-1])))
    return found


def last_run(lines: Sequence[Mapping[str, Any]], part: str) -> Sequence[Mapping[str, Any]]:
    """The lines since the last start of the part."""
    begun = [i for i, line in enumerate(lines) if line["part"] == part and line.get("event") == "begun"]
    return lines[begun[-1] :] if begun else lines


def bars(found: Sequence[Finding]) -> dict[str, dict[str, float]]:
    """Case -> way -> its ratio, for findings that have a ratio."""
    groups: dict[str, dict[str, float]] = {}
    for each in found:
        ratio = next((each.numbers[name] for name in RATIOS if name in each.numbers), None)
        match = WAY.fullmatch(each.case)
        if match and isinstance(ratio, float):
            groups.setdefault(match[1], {})[match[2]] = ratio
    return groups


if __name__ == "__main__":
    sys.exit(main())
