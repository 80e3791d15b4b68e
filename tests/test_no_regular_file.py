"""FIFOs, sockets and devices wherever a file is expected: refused, or done without, and never waited for."""

import os
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from limelight.errors import UsageError
from limelight.pipeline import GenerationRequest
from limelight.pipeline.adapters.files import is_file, parse_embedding, parse_lora
from limelight.pipeline.batch.errors import OutputLost
from limelight.pipeline.batch.journal import Journal, Ledger
from limelight.pipeline.batch.lock import Owner
from limelight.pipeline.batch.rows.rows import read_rows
from limelight.pipeline.batch.summary.summary import _small
from limelight.pipeline.models.best_maps import BestMaps
from limelight.pipeline.requests.steering import Painted, Region
from limelight.pipeline.results.png import drawn_image, read_record
from limelight.pipeline.text.near import Near
from limelight.pipeline.text.vocabulary import Vocabulary
from limelight.unet.weights.header import read_header

PATIENCE = 20  # seconds, of which a wait without an end would take all


def fifo(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as opened:
        here = os.getcwd()
        os.chdir(path.parent)  # the address of a socket has at most 107 bytes
        try:
            opened.bind(path.name)
        finally:
            os.chdir(here)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.fixture(autouse=True)
def patience() -> Iterator[None]:
    """Ends a test that waits."""

    def give_up(number: int, frame: object) -> None:
        pytest.fail(f"waited for {PATIENCE} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(PATIENCE)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def expander(path: Path) -> None:
    from limelight.pipeline.text.expander import Expander

    folder = path.parent / "expander"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"")
    shutil.move(path, folder / "tokenizer.json")
    Expander.from_pretrained(folder)


def model_file(path: Path) -> None:
    from limelight.pipeline import TextToImagePipeline

    TextToImagePipeline.from_pretrained(path, device="cpu")


def vae_file(path: Path) -> None:
    from limelight.pipeline import TextToImagePipeline

    TextToImagePipeline.from_pretrained("default", device="cpu", vae=path)


def ledger(path: Path) -> None:
    Ledger(path.parent, "run").read()


REFUSED: dict[str, tuple[str, Callable[[Path], object]]] = {
    "image": ("a.png", lambda path: GenerationRequest(prompt="a", image=path).opened()),
    "mask": (
        "a.png",
        lambda path: GenerationRequest(prompt="a", image=path.parent / "right.png", mask=path).opened(),
    ),
    "painted word": ("a.png", lambda path: Painted(word="cat", mask=path).opened()),
    "region": ("a.png", lambda path: Region(prompt="a dog", mask=path).opened()),
    "record": ("a.png", read_record),
    **{kind: (f"a{kind}", read_rows) for kind in (".csv", ".tsv", ".txt", ".jsonl", ".parquet")},
    "LoRA": ("a.safetensors", lambda path: parse_lora(str(path))),
    "embedding": ("a.safetensors", lambda path: parse_embedding(str(path))),
    "adapter": ("a.safetensors", is_file),
    "weights": ("a.safetensors", read_header),
    "model": ("a.safetensors", model_file),
    "VAE": ("a.safetensors", vae_file),
    "language model": ("a", expander),
    "vocabulary": ("vocabulary.json", lambda path: Vocabulary.read(path.parent)),
    "near words": ("near.json", lambda path: Near.read(path.parent, ())),
    "best maps": ("maps.json", lambda path: BestMaps.read(path.parent, ())),
    "journal to read": ("0000.jsonl", ledger),
}


@pytest.mark.parametrize("make", [fifo, unix_socket, device])
@pytest.mark.parametrize("what", REFUSED)
def test_a_path_that_is_no_regular_file_is_refused(
    tmp_path: Path, what: str, make: Callable[[Path], None]
) -> None:
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tmp_path / "right.png")
    name, use = REFUSED[what]
    make(tmp_path / name)
    with pytest.raises((UsageError, OSError)) as refusal:
        use(tmp_path / name)
    assert isinstance(refusal.value, UsageError), refusal.value
    assert any(word in str(refusal.value) for word in ("a FIFO", "a socket", "a device", "neither a file"))


@pytest.mark.parametrize("make", [fifo, device])
def test_a_journal_is_not_written_into_something_else(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "0000.jsonl")
    with pytest.raises(OutputLost, match="it is no regular file; move it out of the folder"):
        Journal(tmp_path / "0000.jsonl")


@pytest.mark.parametrize("make", [fifo, unix_socket, device])
def test_optional_files_that_are_not_regular_are_ignored(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(path := tmp_path / "a.png")
    assert drawn_image(path) is None
    assert Owner.read(path) is None
    assert _small(path).size
