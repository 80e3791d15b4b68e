"""CLIP's tokenizer with fewer words: the most frequent merges, and the merges that the world's words need."""

import gzip
import itertools
import json
import zipfile
from pathlib import Path

MERGES_IN_WHEEL = "open_clip/bpe_simple_vocab_16e6.txt.gz"
CLIP_MERGE_COUNT = 49152 - 256 - 2
FREQUENT = 1500
START, END = "<|startoftext|>", "<|endoftext|>"
MAX_TOKENS = 77


def read_merges(wheel: Path) -> list[tuple[str, str]]:
    """CLIP's merges, most frequent first, out of the open_clip wheel."""
    with zipfile.ZipFile(wheel) as archive:
        lines = gzip.decompress(archive.read(MERGES_IN_WHEEL)).decode("utf-8").split("\n")
    return [(left, right) for left, right in (line.split() for line in lines[1 : CLIP_MERGE_COUNT + 1])]


def byte_alphabet() -> list[str]:
    """The 256 printable characters that stand for bytes, in CLIP's order (GPT-2's bytes_to_unicode)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + index) for index in range(len(rest))]


def merges_of(word: str, ranks: dict[tuple[str, str], int]) -> list[tuple[str, str]]:
    """The merges that byte pair encoding applies to one word, in order."""
    pieces = [*word[:-1], word[-1] + "</w>"]
    applied = []
    while len(pieces) > 1:
        pairs = [pair for pair in itertools.pairwise(pieces) if pair in ranks]
        if not pairs:
            break
        best = min(pairs, key=ranks.__getitem__)
        applied.append(best)
        merged, index = [], 0
        while index < len(pieces):
            if tuple(pieces[index : index + 2]) == best:
                merged.append("".join(best))
                index += 2
            else:
                merged.append(pieces[index])
                index += 1
        pieces = merged
    return applied


def reduce_merges(merges: list[tuple[str, str]], words: list[str]) -> list[tuple[str, str]]:
    """The frequent merges and those that `words` need, in CLIP's order."""
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    needed = {pair for word in words for pair in merges_of(word, ranks)}
    return [pair for rank, pair in enumerate(merges) if rank < FREQUENT or pair in needed]


def save_tokenizer(
    merges: list[tuple[str, str]], words: list[str], folder: Path, max_tokens: int = MAX_TOKENS
) -> int:
    """Writes a normal CLIPTokenizer folder that knows `words` and returns the number of its tokens."""
    kept = reduce_merges(merges, words)
    alphabet = byte_alphabet()
    tokens = [
        *alphabet,
        *(letter + "</w>" for letter in alphabet),
        *("".join(pair) for pair in kept),
        START,
        END,
    ]
    files = {
        "vocab.json": json.dumps({token: index for index, token in enumerate(tokens)}, ensure_ascii=False),
        "merges.txt": "\n".join(["#version: 0.2", *(" ".join(pair) for pair in kept)]) + "\n",
        "special_tokens_map.json": json.dumps(
            {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}, indent=2
        ),
        "tokenizer_config.json": json.dumps(
            {
                "tokenizer_class": "CLIPTokenizer",
                "model_max_length": max_tokens,
                "do_lower_case": True,
                "add_prefix_space": False,
                "errors": "replace",
                "bos_token": START,
                "eos_token": END,
                "unk_token": END,
                "pad_token": END,
            },
            indent=2,
        ),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return len(tokens)
