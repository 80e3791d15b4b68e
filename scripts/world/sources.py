"""The packages that the world's art comes from: pinned, fetched through npm and pip, verified, read."""

import base64
import hashlib
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class IntegrityError(RuntimeError):
    """A package's content is not the pinned one."""


class FetchError(RuntimeError):
    """A package could not be fetched."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """One pinned package: `integrity` is the base64 sha512 that npm writes, for pip packages of the wheel."""

    client: str
    name: str
    version: str
    integrity: str
    licence: str
    credit: str

    @property
    def spec(self) -> str:
        return f"{self.name}@{self.version}" if self.client == "npm" else f"{self.name}=={self.version}"

    @property
    def stem(self) -> str:
        return f"{self.name.strip('@').replace('/', '-')}-{self.version}"


FLUENT_3D = Package(
    client="npm",
    name="@lobehub/fluent-emoji-3d",
    version="1.1.0",
    integrity="sha512-Wlq2lVStTnr8BDpIJ0pEnTKO4LuDxxqTEhTvRtD1DLRF0me7ogeRQjKoehDHXuVJ2Qaecgl5wRBv60lUAG3h7g==",
    licence="MIT",
    credit="Fluent Emoji, copyright (c) Microsoft Corporation",
)
FLUENT_FLAT = Package(
    client="npm",
    name="@iconify-json/fluent-emoji-flat",
    version="1.2.6",
    integrity="sha512-RY47RgPb47fYUiyrA64sIOL0+UU02s29sXpNBbIQRBUlPlfNFTKUmZDERGuxDs/7yNGWqQYvuaSYM1M4fRXlUw==",
    licence="MIT",
    credit="Fluent Emoji, copyright (c) Microsoft Corporation",
)
NOTO = Package(
    client="npm",
    name="@iconify-json/noto",
    version="1.2.9",
    integrity="sha512-DQiuXENbun41ch+XPSV55H9FaWKpHTyz46YIKtSaKYD4fIDDzL1tR6H4np/T38jfrTAeI3rcKF0mqHYeZVAuaw==",
    licence="Apache-2.0",
    credit="Noto Emoji, copyright Google Inc.",
)
TWEMOJI = Package(
    client="npm",
    name="@iconify-json/twemoji",
    version="1.2.5",
    integrity="sha512-uKpuIEV0v6K5BW3Mjdyl+XKFVAbbcPxAgifKvEMtZoUZB5+YiY5zaMm2uNNCxyXzAWU9yNLlj41WU6/mvgALsw==",
    licence="CC-BY-4.0",
    credit="Twemoji, copyright Twitter, Inc. and other contributors, CC-BY 4.0",
)
UNICODE_NAMES = Package(
    client="npm",
    name="unicode-emoji-json",
    version="0.9.0",
    integrity="sha512-HdrQW/7SdbXUsTd8uTATv7LvQJkCSgbAgRCDCtOhQ6xn3EAx+xZHQtRniOXWJK3ywIqPegkNhP4U4EbuFsiQng==",
    licence="MIT",
    credit="unicode-emoji-json, copyright Mu-An Chiou",
)
CLIP_MERGES = Package(
    client="pip",
    name="open_clip_torch",
    version="3.3.0",
    integrity="sha512-wCW/mi1bsJNCTrLHiz63H5+HaS+jVJKH+8VUl2wR/biHQqxrR2+398oIVHx47Eiy4si/3HOjQ8VN8PPNMhv95A==",
    licence="MIT",
    credit="OpenCLIP; the byte pair merges are those of OpenAI's CLIP (MIT)",
)
PACKAGES = (FLUENT_3D, FLUENT_FLAT, NOTO, TWEMOJI, UNICODE_NAMES, CLIP_MERGES)


def verify(package: Package, archive: Path) -> None:
    """Checks the archive's sha512.

    Raises:
        IntegrityError: it is not the pinned one; the message has the package, the expected and the found
            hash.
    """
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != package.integrity:
        raise IntegrityError(
            f"{package.spec}: expected {package.integrity}, found {found}; nothing was written"
        )


def fetch(package: Package, folder: Path) -> Path:
    """The verified archive of a package, from `folder` if it is there already, else fetched with npm or pip.

    The archive enters `folder` only after it is verified, by a rename.

    Raises:
        IntegrityError: the content is not the pinned one.
        FetchError: the client fails or does not give exactly one file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{package.stem}.{'tgz' if package.client == 'npm' else 'whl'}"
    if kept.exists():
        verify(package, kept)
        return kept
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        _download(_command(package), package, Path(scratch))
        files = [path for path in Path(scratch).iterdir() if path.suffix in (".tgz", ".whl")]
        if len(files) != 1:
            raise FetchError(f"{package.spec}: expected one archive, found {len(files)}")
        verify(package, files[0])
        files[0].replace(kept)
    return kept


def _command(package: Package) -> list[str]:
    if package.client == "npm":
        return ["npm", "pack", package.spec, "--silent"]
    return ["python3", "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "-q", package.spec]


def _download(command: Sequence[str], package: Package, folder: Path) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    except FileNotFoundError:
        raise FetchError(
            f"{package.spec}: `{command[0]}` is not installed; it is needed to fetch it"
        ) from None
    if done.returncode != 0:
        raise FetchError(f"{package.spec}: `{' '.join(command)}` failed: {done.stderr.strip()[-400:]}")


def read_json(archive: Path, member: str) -> dict:
    """Reads one JSON file of an npm archive."""
    with tarfile.open(archive) as tar:
        stream = tar.extractfile(member)
        if stream is None:
            raise FetchError(f"{archive.name} has no {member}")
        return json.load(stream)
