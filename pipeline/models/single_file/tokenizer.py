"""CLIP's tokenizer, which every single-file checkpoint needs and none contains."""

import gzip
from pathlib import Path
from typing import Any

START, END = "<|startoftext|>", "<|endoftext|>"
NUM_TOKENS = 49408
MAX_TOKENS = 77
_MERGES = Path(__file__).parent / "clip" / "merges.txt.gz"


def clip_tokenizer(*, pad_token: str = END) -> Any:
    """A `CLIPTokenizer` of transformers with CLIP's own vocabulary."""
    from transformers import CLIPTokenizer

    merges = read_merges()
    return CLIPTokenizer(
        vocab={token: i for i, token in enumerate(vocabulary(merges))},
        merges=merges,
        pad_token=pad_token,
        model_max_length=MAX_TOKENS,
    )


def read_merges() -> list[tuple[str, str]]:
    """The pairs that byte pair encoding joins, most frequent first."""
    lines = gzip.decompress(_MERGES.read_bytes()).decode("utf-8").splitlines()
    return [(left, right) for left, _, right in (line.partition(" ") for line in lines[1:])]


def vocabulary(merges: list[tuple[str, str]]) -> list[str]:
    """Every token, by number: bytes, bytes at the end of a word, results of merges, start and end."""
    letters = byte_alphabet()
    return [*letters, *(f"{c}</w>" for c in letters), *(left + right for left, right in merges), START, END]


def byte_alphabet() -> list[str]:
    """The 256 printable characters that stand for bytes, in CLIP's order. Source: GPT-2's
    bytes_to_unicode."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return [chr(byte) for byte in printable] + [chr(256 + i) for i in range(256 - len(printable))]
