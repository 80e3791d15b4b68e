"""Compares Limelight with other software: `python -m scripts.benchmark [WHAT] [options]`.

Without WHAT: unet, attention, picture, batch, cold and memory, one after the other, in one report.
`--quick` takes about three minutes on two cores for all of these together. `-o FILE.md` writes the report
there, and a plot next to it.
"""

import argparse
import gc
import importlib
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from scripts.benchmarks.tools.plot import draw
from scripts.benchmarks.tools.report import Report, Setting, markdown

WHAT = {
    "unet": "a prediction, compared with diffusers, OpenVINO and ONNX Runtime",
    "attention": "backends by shape: time and memory",
    "picture": "from prompt to picture, compared with diffusers' pipeline",
    "batch": "from many prompts to many files, compared with a loop of diffusers' pipeline",
    "command": "the same as whole commands, with all cores",
    "cold": "new processes: --help, and a picture, compared with diffusers",
    "memory": "the peak of loading a U-Net and of a prediction, compared with diffusers",
    "recording": "time and memory of recording attention",
    "describe": "what caching keys and values saves as BLIP describes a picture",
    "cache": "when caching keys and values pays, and when pages do",
    "engine": "requests that arrive at random times",
    "live": "the cost of previews and maps while a picture is drawn",
    "edits": "an edit of the words with its base, compared with two pictures",
    "lossy": "the gain and loss of caching deep features",
}
TOGETHER = ("unet", "attention", "picture", "batch", "cold", "memory")


def main(argv: Sequence[str] | None = None) -> int:
    argv = list(sys.argv[1:] if argv is None else argv)
    load = os.getloadavg()[0]
    if not argv or argv[0].startswith("-"):
        names, rest = TOGETHER, argv
    else:
        names, rest = (argv[0],), argv[1:]
    if unknown := [name for name in names if name not in WHAT]:
        raise SystemExit(f"{unknown[0]!r} is not a benchmark; must be one of {', '.join(WHAT)}")
    if {"-h", "--help"} & set(rest) and len(names) > 1:
        print(__doc__, *(f"{name:10} {does}" for name, does in WHAT.items()), sep="\n")
        return 0
    asked = [(name, options_of(name, rest)) for name in names]  # all refused before any is run
    setting = setting_of(asked[0][1], argv, load)
    reports = []
    for name, options in asked:
        reports.append(report_of(name, options))
        print("\n".join(reports[-1].lines(2)), file=sys.stderr, flush=True)
        gc.collect()
    write(reports, setting, asked[0][1].output)
    return 0


def module_of(name: str) -> ModuleType:
    return importlib.import_module(f"scripts.benchmarks.{name}")


def options_of(name: str, argv: Sequence[str]) -> argparse.Namespace:
    """The options of one benchmark: the common ones and its own, changed by `--quick`."""
    module = module_of(name)
    parser = argparse.ArgumentParser(
        prog=f"python -m scripts.benchmark {name}",
        description=module.__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="fewer sizes, candidates and rounds")
    parser.add_argument("--rounds", type=int, default=3, help="rounds in which the candidates take turns")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--note", default="", help="a sentence for the report, such as what else was running")
    parser.add_argument("-o", "--output", type=Path, help="a Markdown file; standard output if not given")
    module.add_options(parser)
    if "--quick" in argv:
        parser.set_defaults(**module.QUICK)
    options = parser.parse_args(argv)
    if options.device not in module.DEVICES:
        parser.error(f"--device is {options.device}; {name} is measured on {', '.join(module.DEVICES)}")
    return options


def report_of(name: str, options: argparse.Namespace) -> Report:
    import torch

    module = module_of(name)
    torch.set_num_threads(options.threads)
    text = (module.__doc__ or "").partition("\n\n")[2]
    return Report(module.TITLE, text, list(module.measure(options)))


def setting_of(options: argparse.Namespace, argv: Sequence[str], load: float) -> Setting:
    command = shlex.join(["python", "-m", "scripts.benchmark", *argv])
    return Setting(options.device, options.threads, command, load, options.note)


def write(reports: Sequence[Report], setting: Setting, output: Path | None) -> None:
    if output is None:
        print(markdown(reports, setting))
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    plot = output.with_suffix(".svg")
    output.write_text(markdown(reports, setting, plot.name if draw(reports, plot) else None))


if __name__ == "__main__":
    sys.exit(main())
