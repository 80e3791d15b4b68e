"""Square pictures of every noun in every style, on a transparent background."""

import io
import json
import os
from pathlib import Path

import numpy as np
from PIL import Image

from scripts.world import sources
from scripts.world.vocabulary import NOUNS, STYLES

TILE = 128
MARGIN = 2


class MissingArt(RuntimeError):
    """A package has no picture of a noun."""


def render_tiles(archives: Path) -> np.ndarray:
    """All art as uint8 (styles, nouns, 128, 128, 4), cropped to what is drawn and centred."""
    names = sources.read_json(sources.fetch(sources.UNICODE_NAMES, archives), "package/data-by-emoji.json")
    icon_sets = {"flat": sources.FLUENT_FLAT, "noto": sources.NOTO, "twemoji": sources.TWEMOJI}
    tiles = np.zeros((len(STYLES), len(NOUNS), TILE, TILE, 4), np.uint8)
    for row, style in enumerate(STYLES):
        if style == "3d":
            pictures = _fluent_3d(sources.fetch(sources.FLUENT_3D, archives))
        else:
            icons = sources.read_json(sources.fetch(icon_sets[style], archives), "package/icons.json")
            pictures = {noun.word: _icon(icons, names[_known(noun.emoji, names)]["name"]) for noun in NOUNS}
        for column, noun in enumerate(NOUNS):
            tiles[row, column] = _centred(pictures[noun.word])
    return tiles


def _known(emoji: str, names: dict) -> str:
    for key in (emoji, emoji.rstrip("\ufe0f")):
        if key in names:
            return key
    raise MissingArt(f"{emoji} has no name in unicode-emoji-json")


def _fluent_3d(archive: Path) -> dict[str, Image.Image]:
    import tarfile

    pictures = {}
    with tarfile.open(archive) as tar:
        members = {Path(name).stem: name for name in tar.getnames() if name.endswith(".webp")}
        for noun in NOUNS:
            full = "-".join(f"{ord(character):04x}" for character in noun.emoji)
            name = members.get(full) or members.get(full.replace("-fe0f", ""))
            stream = tar.extractfile(name) if name else None
            if stream is None:
                raise MissingArt(f"{archive.name} has no picture of {noun.word} ({full})")
            pictures[noun.word] = Image.open(io.BytesIO(stream.read())).convert("RGBA")
    return pictures


def _icon(icons: dict, name: str) -> Image.Image:
    import resvg_py

    slug = name.lower().replace(" ", "-")
    entry = icons["icons"].get(slug)
    if entry is None:
        alias = icons.get("aliases", {}).get(slug)
        if alias is None:
            raise MissingArt(f"icon set {icons['prefix']} has no {slug!r}")
        entry = icons["icons"][alias["parent"]]
    width, height = entry.get("width", icons["width"]), entry.get("height", icons["height"])
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {width} {height}">{entry["body"]}</svg>'
    )
    png = bytes(
        resvg_py.svg_to_bytes(svg_string=svg, width=4 * TILE, height=4 * TILE, skip_system_fonts=True)
    )
    return Image.open(io.BytesIO(png)).convert("RGBA")


def _centred(picture: Image.Image) -> np.ndarray:
    box = picture.getchannel("A").point(lambda alpha: 255 if alpha > 8 else 0).getbbox()
    if box is None:
        raise MissingArt("a picture is empty")
    picture = picture.crop(box)
    inner = TILE - 2 * MARGIN
    scale = inner / max(picture.size)
    size = tuple(max(1, round(side * scale)) for side in picture.size)
    premultiplied = picture.convert("RGBa").resize(size, Image.Resampling.LANCZOS).convert("RGBA")
    tile = Image.new("RGBA", (TILE, TILE))
    tile.paste(premultiplied, ((TILE - size[0]) // 2, (TILE - size[1]) // 2))
    return np.asarray(tile)


def save_tiles(tiles: np.ndarray, folder: Path) -> Path:
    """Writes `tiles.npz`, with the words that it was made for, by a rename, so that it is whole or absent."""
    path = folder / "tiles.npz"
    temporary = folder / ".tiles.tmp.npz"
    words = json.dumps({"nouns": [noun.word for noun in NOUNS], "styles": list(STYLES)})
    np.savez_compressed(temporary, tiles=tiles, words=np.array(words))
    os.replace(temporary, path)
    return path


def load_tiles(folder: Path) -> np.ndarray:
    """Reads `tiles.npz`: uint8 (styles, nouns, 128, 128, 4).

    Raises:
        MissingArt: the file is missing or made for another vocabulary; the message says how to make it.
    """
    path = folder / "tiles.npz"
    if not path.exists():
        raise MissingArt(f"{path} does not exist; make it with `python -m scripts.build_dataset`")
    with np.load(path) as stored:
        words = json.loads(str(stored["words"]))
        if words != {"nouns": [noun.word for noun in NOUNS], "styles": list(STYLES)}:
            raise MissingArt(
                f"{path} is of another vocabulary; make it again: `python -m scripts.build_dataset`"
            )
        return stored["tiles"]
