"""Walks through the documentation: a clean clone, an empty home, every command as printed.

python -m scripts.walk_readme                    # clones this checkout's last commit into a new folder
python -m scripts.walk_readme --page README.md --keep
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from scripts.walk.pages import Printed, examples, printed
from scripts.walk.runner import Walked, clean_environment, supply, walk

ROOT = Path(__file__).parents[1]
FIRST = "make image"  # installs everything


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--page", action="append", help="only this page; may be repeated")
    parser.add_argument("--into", type=Path, help="an empty folder for clone and home; a new one if omitted")
    parser.add_argument("--keep", action="store_true", help="keep the folder")
    options = parser.parse_args()
    folder = options.into or Path(tempfile.mkdtemp(prefix="limelight-walk-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        sys.exit(run(folder, options.page))
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)


def run(folder: Path, pages: list[str] | None = None) -> int:
    """Runs the commands, and returns how many did not do what was expected."""
    clone = folder / "limelight"
    if not clone.exists():
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    everything = [*printed(clone), *examples(clone)]
    chosen = [each for each in everything if not pages or each.page in pages or _installs(each)]
    environment = clean_environment(folder / "home")
    walked = []
    for each in chosen:
        walked.append(walk(each, clone, environment))
        report(walked[-1])
        if _installs(each):
            supply(clone)
    skipped = sum(each.is_skipped for each in walked)
    faults = sum(bool(each.fault) for each in walked)
    print(
        f"{len(walked)} commands and programs: {len(walked) - skipped - faults} as printed, {skipped} skipped"
    )
    return faults


def _installs(each: Printed) -> bool:
    return each.text.startswith(FIRST)


def report(walked: Walked) -> None:
    text = walked.printed.text.partition("\n")[0] if walked.printed.language == "sh" else "its programs"
    state = "skipped" if walked.is_skipped else "FAILED" if walked.fault else "ok"
    print(f"{state:8}{walked.seconds:6.1f} s  {walked.printed.page}: {text}", flush=True)
    if walked.fault:
        print(f"                 {walked.fault}", flush=True)


if __name__ == "__main__":
    main()
