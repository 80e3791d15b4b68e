"""The command in a process, as users run it."""

import json
import multiprocessing
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from PIL import Image, ImageChops
from PIL.PngImagePlugin import PngInfo

from limelight.pipeline.results.png import read_record
from tests.app.forked import command
from tests.default_model import SIDE

ROOT = Path(__file__).parents[2]
SIZE = f"{SIDE}x{SIDE}"


@dataclass(frozen=True)
class Run:
    returncode: int
    stdout: str
    stderr: str


def limelight(*arguments: str, cwd: Path) -> Run:
    """The command in a process that is forked from one which has imported torch."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.pipeline.batch.warm"])
    with TemporaryDirectory() as folder:
        streams = [str(Path(folder, name)) for name in ("stdout", "stderr")]
        process = context.Process(target=command, args=(arguments, str(cwd), *streams))
        process.start()
        process.join(120)
        assert process.exitcode is not None, "did not end"
        return Run(process.exitcode, *(Path(each).read_text() for each in streams))


def limelight_alone(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "limelight", *arguments],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    run = limelight_alone("a red apple", "--seed", "7", "--steps", "4", "-o", "apple.png", cwd=folder)
    assert (run.returncode, run.stderr) == (0, "")
    assert str(folder / "apple.png") in run.stdout
    assert f"(seed 7; enlarged from {SIZE} to 512x512 pixels, --native keeps {SIZE})" in run.stdout
    return folder / "apple.png"


def test_generate_draws_a_picture_with_its_record(drawn: Path) -> None:
    with Image.open(drawn) as image:
        assert image.size == (512, 512)
        assert image.text["parameters"].startswith("a red apple\nSteps: 4, ")
    assert read_record(drawn)["request"]["seed"] == 7


def test_another_vae_decodes_the_picture_and_a_missing_file_is_refused(drawn: Path) -> None:
    asked = ("generate", "a red apple", "--seed", "7", "--steps", "4", "--vae")
    own = ROOT / "pipeline" / "default_model" / "vae"
    run = limelight(*asked, str(own), "-o", "vae.png", cwd=drawn.parent)
    assert (run.returncode, run.stderr) == (0, "")
    with Image.open(drawn) as one, Image.open(drawn.parent / "vae.png") as other:
        assert ImageChops.difference(one, other).getbbox() is None
    run = limelight(*asked, "nowhere", "-o", "no.png", cwd=drawn.parent)
    assert run.returncode == 2 and "nowhere does not exist; a VAE is a folder" in run.stderr
    assert not (drawn.parent / "no.png").exists()


def test_inspect_shows_the_record(drawn: Path) -> None:
    run = limelight("inspect", str(drawn), cwd=drawn.parent)
    assert run.returncode == 0
    lines = [line.split()[0] for line in run.stdout.splitlines()]
    assert lines[:3] == ["prompt", "seed", "num"]
    assert "enlarged from" in run.stdout
    assert "negative" not in run.stdout  # nothing that was not asked for


def test_inspect_takes_several_files_and_prints_json(drawn: Path, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    run = limelight("inspect", str(drawn), "plain.png", str(drawn), "--json", cwd=tmp_path)
    assert run.returncode == 2
    assert "plain.png holds no record" in run.stderr
    records = [json.loads(line) for line in run.stdout.splitlines()]
    assert [record["file"] for record in records] == [str(drawn)] * 2
    assert records[0]["request"]["prompt"] == "a red apple"


def test_replay_draws_the_same_pixels(drawn: Path, tmp_path: Path) -> None:
    run = limelight("replay", str(drawn), "-o", "again.png", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert f"(seed 7; the same pixels as {drawn})" in run.stdout
    with Image.open(drawn) as first, Image.open(tmp_path / "again.png") as again:
        assert first.tobytes() == again.tobytes()
    again = limelight("replay", str(drawn), "-o", str(drawn), cwd=tmp_path)
    assert again.returncode == 2
    assert "which exists; replay overwrites nothing" in again.stderr


def test_a_picture_from_an_image_is_replayed_with_that_image_alone(drawn: Path, tmp_path: Path) -> None:
    options = ["--seed", "5", "--steps", "4", "--strength", "0.5", "--hires", "1.5", "--scheduler", "Euler a"]
    run = limelight(
        "a blue star", "--image", str(drawn), *options, "--native", "-o", "star.png", cwd=tmp_path
    )
    assert run.returncode == 0, run.stderr
    assert f"was enlarged; it is used at {SIZE}, as it was drawn" in run.stderr
    with Image.open(tmp_path / "star.png") as star:
        assert star.size == (SIDE * 3 // 2, SIDE * 3 // 2)
        assert "Sampler: Euler a, " in star.text["parameters"]

    run = limelight("replay", "star.png", "-o", "again.png", cwd=tmp_path)
    assert run.returncode == 2
    assert "give it again (in Python image=, on the command line --image)" in run.stderr
    run = limelight("replay", "star.png", "--image", "star.png", "-o", "again.png", cwd=tmp_path)
    assert run.returncode == 2
    assert "the picture was made from" in run.stderr
    run = limelight("replay", "star.png", "--image", str(drawn), "-o", "again.png", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    with Image.open(tmp_path / "star.png") as star, Image.open(tmp_path / "again.png") as again:
        assert star.tobytes() == again.tobytes()


def test_a_painted_picture_is_replayed_without_its_mask(drawn: Path, tmp_path: Path) -> None:
    mask = tmp_path / "mask.png"
    Image.linear_gradient("L").save(mask)
    options = ["--seed", "7", "--steps", "4", "--paint", "apple@mask.png", "--paint", "red@0,0,0.5,1"]
    options += ["--region", "a blue car@0.5,0,1,1", "--head", "cross:0=0;end=0.5"]
    run = limelight("generate", "a red apple", *options, "-o", "first.png", cwd=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    mask.unlink()
    run = limelight("replay", "first.png", "-o", "again.png", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    pictures = [Image.open(path) for path in (tmp_path / "first.png", tmp_path / "again.png", drawn)]
    assert pictures[0].tobytes() == pictures[1].tobytes() != pictures[2].tobytes()


def test_count_draws_into_a_folder(tmp_path: Path) -> None:
    run = limelight("generate", "a cat", "--count", "2", "--seed", "1", "--steps", "2", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert sorted(read_record(path)["request"]["seed"] for path in (tmp_path / "outputs").iterdir()) == [1, 2]


def test_backends_shows_the_plan_with_the_kernel_of_every_site(tmp_path: Path) -> None:
    run = limelight("backends", "--model", "default", "--attention", "self=tiled,cross=sdpa", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    for name in ("math", "sdpa", "tiled", "xformers", "flash"):
        assert name in run.stdout
    rows = [line for line in run.stdout.splitlines() if ".attn" in line]
    assert rows
    assert all(("tiled" in row) == (".attn1" in row) for row in rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "nope"], "unknown model 'nope'"),
        (["--scheduler", "eular"], "did you mean 'euler'?"),
        (["--attention", "sdpaa"], "did you mean sdpa?"),
        (["--attention", "flash"], "flash"),
        (["--device", "cuda:9"], "unknown device 'cuda:9'; valid: "),
        (["--dtype", "fp16"], "unknown dtype 'fp16'; valid: float32, bfloat16, float16"),
        (["--width", "500"], "width is 500; must be a multiple of 8 (504 is the nearest)"),
        (["--steps", "0"], "num_steps is 0; must be from 1 to 1000"),
        (["--seed", "-2"], "seed is -2; must be"),
        (["--seed", str(2**64)], "must be"),
        (["--guidance", "nan"], "guidance_scale is nan; must be a finite number"),
        (["--count", "1000000"], "count is 1000000; must be from 1 to 10000"),
        (["--width", "100000", "--height", "100000"], "GiB; this machine has"),
        (["--size", "5"], "size is '5'; must be WIDTHxHEIGHT in pixels, such as 512x512"),
        (["--size", "64x64", "--width", "64"], "leave out --width and --height"),
        (["--cfg", "nan"], "guidance_scale is nan; must be a finite number"),
        (["apple"], 'limelight generate "a red apple apple"'),
        (["-o", "picture.jpg"], "must be a .png file or a folder"),
        (["-o", "a.png", "--count", "2"], "give a folder"),
        (["-o", "file/folder"], "cannot write to"),
        (["--image", "none.png"], "image none.png cannot be read: No such file or directory"),
        (["--image", "file"], "image file is not an image that can be read; must be PNG, JPEG,"),
        (["--strength", "0.5"], "strength is given and image is not; give an image, or leave"),
        (["--hires", "9"], "hires_scale is 9.0; must be from 1 to 8"),
        (["--guidance-interval", "0.8", "0.2"], "guidance_start is 0.8 and guidance_end 0.2;"),
        (["--paint", "aple@0,0,.5,1"], "the prompt does not have; did you mean apple?"),
        (["--paint", "apple@none.png"], "'apple' none.png cannot be read: No such file or directory"),
        (["--region", "a car"], "'a car' cannot be read; write PROMPT@LEFT,TOP,RIGHT,BOTTOM"),
        (["--head", "cross:99=0"], "heads has head 99 of cross; it has heads 0 to 3"),
        (["--lossy-cache", "0"], "lossy_cache_interval is 0; must be from 1 to 20"),
    ],
)
def test_bad_input_is_refused_with_a_message_and_exit_code_2(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "file").write_text("")
    run = limelight("generate", "a red apple", "--steps", "1", *arguments, cwd=tmp_path)
    assert run.returncode == 2
    assert message in run.stderr
    assert "Traceback" not in run.stderr
    assert not list(tmp_path.rglob("*.png"))


def test_a_picture_without_a_record_cannot_be_replayed(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    run = limelight("replay", "plain.png", cwd=tmp_path)
    assert run.returncode == 2
    assert "holds no record" in run.stderr


def test_a_picture_by_another_program_is_inspected_and_replayed(tmp_path: Path) -> None:
    chunks = PngInfo()
    chunks.add_text(
        "parameters",
        "a red apple\nSteps: 2, Sampler: Euler a, CFG scale: 4, Seed: 3, Size: 64x48, "
        "Model: default, ENSD: 31337",
    )
    Image.new("RGB", (8, 8)).save(tmp_path / "theirs.png", pnginfo=chunks)
    shown = limelight("inspect", "theirs.png", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "ignored ENSD" in shown.stdout
    run = limelight("replay", "theirs.png", "-o", "ours.png", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert "not the same pixels. Left out: ENSD: 31337" in run.stderr
    request = read_record(tmp_path / "ours.png")["request"]
    assert (request["scheduler"], request["seed"], request["width"]) == ("euler-a", 3, 64)


@pytest.mark.parametrize("module", ["torch", "diffusers", "transformers", "gradio"])
def test_help_and_refused_requests_load_nothing_heavy(tmp_path: Path, module: str) -> None:
    code = f"import sys, limelight.app.cli, limelight.pipeline; assert {module!r} not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_maps_go_into_a_folder_of_their_own(tmp_path: Path) -> None:
    run = limelight(
        "generate",
        "a red apple",
        "--seed",
        "7",
        "--steps",
        "2",
        "--maps",
        "maps",
        "-o",
        "a.png",
        cwd=tmp_path,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert "(where each word acted)" in run.stdout
    kinds = sorted(path.name.removeprefix("a-") for path in (tmp_path / "maps").iterdir())
    assert kinds == [
        "coco.json",
        "labels.png",
        "light.html",
        "maps.npz",
        "maps.png",
        "steps.webp",
        "word00.png",
        "word01.png",
        "word02.png",
    ]


def test_expand_says_what_it_added_and_records_it(tmp_path: Path) -> None:
    run = limelight(
        "generate", "apple", "--expand", "--seed", "7", "--steps", "2", "-o", "a.png", cwd=tmp_path
    )
    assert (run.returncode, run.stderr) == (0, "")
    request = read_record(tmp_path / "a.png")["request"]
    assert run.stdout.startswith(f"prompt: {request['prompt']}\n")
    assert request["expansion"]["typed"] == "apple"
    assert request["prompt"] == "apple" + request["expansion"]["added"] != "apple"
    again = limelight("replay", "a.png", "-o", "b.png", cwd=tmp_path)
    assert (again.returncode, again.stderr) == (0, "")
    with Image.open(tmp_path / "a.png") as first, Image.open(tmp_path / "b.png") as second:
        assert first.tobytes() == second.tobytes()
