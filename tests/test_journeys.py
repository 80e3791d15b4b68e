"""How many files a prompt enters on its way from the command line to a PNG.

A prompt enters a file when a function there is called with it: with its text, with the request, or with an
object that holds one of them. Files that load a model, or compute without knowing what for, are not counted.
`python tests/test_journeys.py` in the folder of a checkout prints the files and the first function in each.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

MOST = 18  # 27 on the day before the packages had rooms
PROMPT = "a red apple"
PACKAGES = ("limelight", "app", "pipeline")
HAS_REST = 0x04 | 0x08  # *args, **kwargs (inspect.CO_VARARGS, CO_VARKEYWORDS)


def holds_prompt(value: Any, depth: int = 3) -> bool:
    """Whether a value is the prompt, or holds it among its items or attributes."""
    if type(value) is str:
        return PROMPT in value
    if type(value) is bytes:
        return PROMPT.encode() in value
    if depth == 0:
        return False
    if type(value) is dict:
        return any(holds_prompt(each, depth - 1) for each in list(value.values()))
    if type(value) in (list, tuple, deque):
        return any(holds_prompt(each, depth - 1) for each in list(value))
    if type(value).__module__.partition(".")[0] not in PACKAGES:
        return False
    slots = [name for cls in type(value).__mro__ for name in getattr(cls, "__slots__", ())]
    names = [*getattr(value, "__dict__", {}), *slots]
    return any(holds_prompt(getattr(value, name, None), depth - 1) for name in names)


def walk(root: Path) -> dict[str, str]:
    """The files of the checkout in `root` that the prompt enters, with the first function in each."""
    sys.path.insert(0, str(root))
    is_named = (root / "limelight").is_dir()  # older checkouts import their packages bare
    cli = __import__("limelight.app.cli" if is_named else "app.cli", fromlist=["main"])
    own, installed = str(root), str(root / ".venv")
    seen: set[CodeType] = set()
    entered = {os.path.relpath(os.path.realpath(cli.__file__), root): "main"}

    def look(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event != "call" or code in seen or not code.co_filename.startswith(own):
            return
        if code.co_filename.startswith(installed):
            return
        num = code.co_argcount + code.co_kwonlyargcount + (code.co_flags & HAS_REST).bit_count()
        arguments = frame.f_locals
        if any(holds_prompt(arguments[name]) for name in code.co_varnames[:num] if name in arguments):
            seen.add(code)
            file = os.path.relpath(os.path.realpath(code.co_filename), root)
            entered.setdefault(file, code.co_qualname)

    with tempfile.TemporaryDirectory() as folder:
        sys.argv = ["limelight", "generate", PROMPT, "--steps", "1", "-o", f"{folder}/a.png"]
        with suppress(SystemExit):  # imports what there is to import, which takes long under a profiler
            cli.main()
        os.remove(f"{folder}/a.png")
        threading.setprofile(look)
        sys.setprofile(look)
        try:
            cli.main()
        except SystemExit as end:
            assert not end.code and os.path.exists(f"{folder}/a.png"), end.code
        finally:
            sys.setprofile(None)
            threading.setprofile(None)  # type: ignore[arg-type]
    return entered


@pytest.mark.long
def test_a_prompt_enters_few_files() -> None:
    root = Path(__file__).parents[1]
    run = subprocess.run(
        [sys.executable, __file__], cwd=root, capture_output=True, text=True, check=True, timeout=300
    )
    entered = json.loads(run.stdout.splitlines()[-1])
    assert {"app/cli.py", "pipeline/requests/request.py", "pipeline/results/png.py"} <= entered.keys()
    assert len(entered) <= MOST, entered


if __name__ == "__main__":
    found = walk(Path.cwd())
    for file, function in found.items():
        print(f"{file}  {function}")
    print(len(found), "files")
    print(json.dumps(found))
