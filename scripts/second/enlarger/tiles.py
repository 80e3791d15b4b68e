"""The art in 256 pixels a side, of the first nouns, as one lossless picture."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

LARGE_TILE = 256  # side of the art itself, in pixels
NAME = "tiles-256.npz"
COLUMNS = 16


def save_large(tiles: np.ndarray, folder: Path) -> Path:
    """Writes tiles, uint8 (arts, nouns, side, side, 4), as a sheet of `COLUMNS` columns."""
    side, count = tiles.shape[2], tiles.shape[0] * tiles.shape[1]
    rows = -(-count // COLUMNS)
    sheet = np.zeros((rows * COLUMNS, side, side, 4), np.uint8)
    sheet[:count] = tiles.reshape(-1, side, side, 4)
    sheet = sheet.reshape(rows, COLUMNS, side, side, 4).swapaxes(1, 2).reshape(rows * side, -1, 4)
    stream = io.BytesIO()
    Image.fromarray(sheet).save(stream, "webp", lossless=True, exact=True, method=6)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    np.savez(path, sheet=np.frombuffer(stream.getvalue(), np.uint8), shape=np.array(tiles.shape))
    return path


def load_large(folder: Path) -> np.ndarray:
    """Reads what `save_large` wrote.

    Raises:
        FileNotFoundError: there is none; the message says how to make it.
    """
    path = folder / NAME
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; make it with `scripts.second.pack --enlarger`")
    with np.load(path) as stored:
        arts, nouns, side, _, _ = (int(length) for length in stored["shape"])
        sheet = np.asarray(Image.open(io.BytesIO(stored["sheet"].tobytes())).convert("RGBA"))
    tiles = sheet.reshape(-1, side, COLUMNS, side, 4).swapaxes(1, 2).reshape(-1, side, side, 4)
    return tiles[: arts * nouns].reshape(arts, nouns, side, side, 4)
