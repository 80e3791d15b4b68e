"""Packs the files that a GPU machine without a network needs: `python -m scripts.gpu.payload FOLDER`.

The wheels of packages that are not on it, in the versions that are installed here, for its Python; `--add`
adds files, such as a data set for `scripts.gpu.train`. All must stay below a limit, together with
the files of the repository, which travel too.
"""

import argparse
import hashlib
import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.benchmarks.tools.process import ROOT

PACKAGES = ("diffusers", "xformers", "importlib_metadata==8.7.0")  # the last is required by diffusers
PLATFORMS = (
    "manylinux_2_28_x86_64",
    "manylinux_2_27_x86_64",
    "manylinux_2_17_x86_64",
    "manylinux2014_x86_64",
)
LIMIT = 64 * 2**20  # bytes, for the repository and the payload together
MANIFEST = "payload.json"


class PayloadError(SystemExit):
    """The payload cannot be packed; the message says what to do."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="output folder: new, or made by this script")
    parser.add_argument("--python", default="3.12", help="of the machine")
    parser.add_argument("--torch", default="2.11.0", help="of the machine")
    parser.add_argument(
        "--packages", default=",".join(PACKAGES), help="separated by commas; NAME or NAME==VERSION"
    )
    parser.add_argument(
        "--add", type=Path, action="append", default=[], help="a file or folder to pack too; may be repeated"
    )
    parser.add_argument(
        "--leave-out",
        action="append",
        default=[],
        metavar="PATH",
        help="a file or folder of the repository that does not travel; may be repeated",
    )
    options = parser.parse_args(argv)
    clear(options.folder)
    for wanted in options.packages.split(",") if options.packages else ():
        download(wanted if "==" in wanted else pinned(wanted), options.folder, options.python)
    wheels = sorted(options.folder.glob("*.whl"))
    check_torch(wheels, options.torch)
    for path in options.add:
        added(path, options.folder)
    packed = sorted(path for path in options.folder.rglob("*") if path.is_file())
    total, repository = sum(path.stat().st_size for path in packed), repository_bytes(options.leave_out)
    check_size(total, repository)
    write_manifest(packed, options.folder)
    print(
        f"{len(packed)} files, {total / 2**20:.1f} MiB, plus {repository / 2**20:.1f} MiB of the repository"
    )
    print(f"the machine must have: {', '.join(sorted(needs(wheels)))}")
    return 0


def clear(folder: Path) -> None:
    """Creates the folder, or empties one that this script made."""
    if folder.exists() and any(folder.iterdir()) and not (folder / MANIFEST).exists():
        raise PayloadError(f"{folder} is not empty and was not made by this script; give a new folder")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def pinned(name: str) -> str:
    """The version that is installed here, since it is tested, or the newest if none is installed."""
    try:
        return f"{name}=={importlib.metadata.version(name)}"
    except importlib.metadata.PackageNotFoundError:
        return name


def download(wanted: str, folder: Path, python: str) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--implementation", "cp", "--python-version", python]
    command += [part for platform in PLATFORMS for part in ("--platform", platform)]
    done = subprocess.run([*command, "--dest", str(folder), wanted], capture_output=True, text=True)
    if done.returncode != 0:
        raise PayloadError(f"no wheel of {wanted} for Python {python}: {done.stderr.strip()[-500:]}")


def requirements(wheel: Path) -> list[Requirement]:
    """The requirements of a wheel, without its extras."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
        text = archive.read(name).decode()
    found = [
        Requirement(line.partition(":")[2]) for line in text.splitlines() if line.startswith("Requires-Dist:")
    ]
    return [each for each in found if each.marker is None or "extra" not in str(each.marker)]


def check_torch(wheels: Iterable[Path], version: str) -> None:
    """Refuses a wheel that was made for another torch."""
    for wheel in wheels:
        for need in requirements(wheel):
            if need.name == "torch" and not need.specifier.contains(version):
                raise PayloadError(
                    f"{wheel.name} needs torch{need.specifier}; the machine has {version}: "
                    "give --packages NAME==VERSION for that torch, or leave the package out"
                )


def needs(wheels: Sequence[Path]) -> set[str]:
    """The packages that the wheels require and that are not among them."""
    packed = {canonicalize_name(wheel.name.partition("-")[0]) for wheel in wheels}
    return {
        str(need)
        for wheel in wheels
        for need in requirements(wheel)
        if canonicalize_name(need.name) not in packed
    }


def added(path: Path, folder: Path) -> None:
    if not path.exists():
        raise PayloadError(f"--add {path}: there is no such file or folder")
    if path.is_dir():
        shutil.copytree(path, folder / path.name)
    else:
        shutil.copy(path, folder / path.name)


def repository_bytes(leave_out: Sequence[str] = ()) -> int:
    """Bytes of all files of the repository that git does not ignore, but those below `leave_out`."""
    but = [f":(exclude){path}" for path in leave_out]
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ".", *but],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    paths = [ROOT / name for name in listed.split("\0") if name]
    return sum(path.stat().st_size for path in paths if path.is_file() and not path.is_symlink())


def check_size(packed: int, repository: int) -> None:
    if packed + repository > LIMIT:
        raise PayloadError(
            f"the payload is {packed / 2**20:.1f} MiB and the repository {repository / 2**20:.1f} MiB; "
            f"together at most {LIMIT / 2**20:.0f}: add less, or name fewer packages"
        )


def write_manifest(packed: Sequence[Path], folder: Path) -> None:
    entries = {
        str(path.relative_to(folder)): {
            "bytes": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in packed
    }
    (folder / MANIFEST).write_text(json.dumps(entries, indent=1))


if __name__ == "__main__":
    sys.exit(main())
