"""The commands of a release and their sizes: all of them fit into an hour of two cores."""

import argparse
import re
import shlex
from collections.abc import Mapping

from limelight.pipeline.requests.request import DEFAULT_STEPS
from scripts.second.release.running import Step

ALONE = "alone"  # nothing else runs meanwhile, as it is timed
WAYS = "model:25:3 dpm++2m:20:3 dpm++2m:12:3 dpm++2m:10:3 dpm++2m:12:2 dpm++2m:12:4"
LINES = (
    # name, what it waits for, command; 60|2 is a size and the least with which the command still runs
    ("maps", "", "scripts.second.evaluate_maps {model} --save --scenes 200|12"),
    (
        "tasks",
        "",
        "scripts.second.evaluate {judged} --prompts 60|2 --renders 128|4 --training 2048|64 "
        "--grids OUT/grids",
    ),
    ("sweep", "", f"scripts.second.sweep {{model}} {{run}} --prompts 12|1 --ways {WAYS}"),
    ("common", "", "scripts.second.evaluate --common {judged} --prompts 50|2 --renders 64|4"),
    (
        "common-first",
        "",
        "scripts.second.evaluate --common --model FIRST {run} --prompts 50|2 --renders 64|4",
    ),
    ("painted", "", "scripts.evaluate_steering {painted} unpainted loose --requests 100|2"),
    ("painted-blobs", "", "scripts.evaluate_steering {painted} loose --places blobs --requests 100|2"),
    ("painted-three", "", "scripts.evaluate_steering {painted} loose --things 3 --requests 70|2"),
    (
        "blind",
        "",
        "scripts.second.blind make OUT/blind {model} --old FIRST {drawn} --new-pictures 48|2 "
        "--render-pictures 16|1 --old-pictures 16|1",
    ),
    ("judge", "", "scripts.second.scoring.kept RUN --out OUT/judge.safetensors"),
    ("expander", "", "scripts.train_expander {model} --out OUT/expander --steps 2500|4 --captions 30000|50"),
    ("describer", "", "scripts.second.describer.ship --run RUN --out OUT/describer"),
    (
        "described",
        "describer",
        "scripts.second.describer.evaluate --model OUT/describer --drawer MODEL --judge RUN --scenes 200|4 "
        "--drawn 10|1",
    ),
    (
        "edits",
        "maps",
        "scripts.steering.evaluate_edits {judged} --edits 48|6 --ways edit same 'img2img, strength 0.7'",
    ),
    (
        "reading",
        "maps describer",
        "scripts.evaluate_reading {judged} {described} --scenes 40|2 --only masks check agreement",
    ),
    ("best", "maps describer", "scripts.evaluate_reading {judged} {described} --scenes 12|1 --only best"),
    ("example", "maps", "scripts.page.example {model} --folder OUT/page"),
    ("gallery", "maps", "scripts.draw_gallery OUT/images/gallery.png {model}"),
    ("steering", "maps", "scripts.draw_steering {model} --output OUT/images/steering.png"),
    ("lesson", "maps", "scripts.draw_lesson OUT/images {model}"),
    ("page", "maps describer", "scripts.page.draw OUT/images {model} {described}"),
    ("picture", ALONE, "scripts.benchmark picture {model} --rounds 8|1 --steps STEPS"),
)
OF_DESCRIBER = ("describer", "described")
SIZE = re.compile(r"(\d+)\|(\d+)")


def all_steps(options: argparse.Namespace) -> list[Step]:
    """All steps, in the order in which they begin. The describer's are left out where none was trained with
    the judge: pictures are then read with the one that is shipped."""
    has_describer = (options.judge_run / "describer.pt").is_file()
    groups = {"{model}": "--model MODEL", "{run}": "--run RUN", "{drawn}": shlex.join(_drawn(options))}
    groups["{judged}"] = f"{groups['{model}']} {groups['{run}']} {groups['{drawn}']}"
    groups["{painted}"] = f"{groups['{judged}']} --strength 55 --until 1 --ways"
    groups["{described}"] = "--describer OUT/describer" if has_describer else ""
    names = {"MODEL": options.model, "FIRST": options.first, "RUN": options.judge_run, "OUT": options.out}
    names["STEPS"] = options.steps or DEFAULT_STEPS
    steps = []
    for name, after, command in LINES:
        if name in OF_DESCRIBER and not has_describer:
            continue
        for group, meaning in groups.items():
            command = command.replace(group, meaning)
        words = [_word(word, names, small=options.small) for word in shlex.split(command)]
        is_alone = after == ALONE
        steps.append(Step(name, tuple(words), () if is_alone else tuple(after.split()), is_alone))
    return steps


def _word(word: str, names: Mapping[str, object], *, small: bool) -> str:
    """A word of a command, with its path or its size."""
    if size := SIZE.fullmatch(word):
        return size[2 if small else 1]
    first, slash, rest = word.partition("/")
    return f"{names.get(first, first)}{slash}{rest}"


def _drawn(options: argparse.Namespace) -> list[str]:
    """The options of every command that draws: those of the release that were given."""
    given = {"--steps": options.steps, "--guidance": options.guidance, "--scheduler": options.scheduler}
    return [text for name, value in given.items() if value is not None for text in (name, f"{value}")]
