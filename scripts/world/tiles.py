"""Square pictures of every noun in every style, on a transparent background."""

import io
import json
import os
import tarfile
from collections.abc import Mapping
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
            pictures = solid_art(
                sources.fetch(sources.FLUENT_3D, archives), {noun.word: noun.emoji for noun in NOUNS}
            )
        else:
            icons = sources.read_json(sources.fetch(icon_sets[style], archives), "package/icons.json")
            slugs = {
                noun.word: names[_known(noun.emoji, names)]["name"].lower().replace(" ", "-")
                for noun in NOUNS
            }
            pictures = {word: icon(icons, slug) for word, slug in slugs.items()}
        for column, noun in enumerate(NOUNS):
            tiles[row, column] = _centred(pictures[noun.word])
    return tiles


def _known(emoji: str, names: dict) -> str:
    for key in (emoji, emoji.rstrip("\ufe0f")):
        if key in names:
            return key
    raise MissingArt(f"{emoji} has no name in unicode-emoji-json")


def solid_art(archive: Path, emoji: Mapping[str, str]) -> dict[str, Image.Image]:
    """The 3d picture of every word, from its emoji.

    Raises:
        MissingArt: the archive has no picture of one.
    """
    pictures = {}
    with tarfile.open(archive) as tar:
        members = {Path(name).stem: name for name in tar.getnames() if name.endswith(".webp")}
        for word, characters in emoji.items():
            code = "-".join(f"{ord(character):04x}" for character in characters)
            name = members.get(code) or members.get(code.replace("-fe0f", ""))
            stream = tar.extractfile(name) if name else None
            if stream is None:
                raise MissingArt(f"{archive.name} has no picture of {word} ({code})")
            pictures[word] = Image.open(io.BytesIO(stream.read())).convert("RGBA")
    return pictures


def icon(icons: dict, slug: str) -> Image.Image:
    """An icon of an Iconify set as pixels, four times as large as a tile.

    Raises:
        MissingArt: the set has no such icon.
    """
    import resvg_py

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
