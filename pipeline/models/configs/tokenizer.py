"""Makes the CLIP tokenizer of a model's folder from its vocabulary. No library reads the files."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from limelight.files import UnreadableFile, read_bytes
from limelight.pipeline.errors import ModelError
from limelight.pipeline.models.configs.schema import brief, read_object

_MAX_BYTES = 8 * 2**20  # CLIP's own tokenizer.json has 2.2 MB
_DEFAULTS = {
    "bos_token": "<|startoftext|>",
    "eos_token": "<|endoftext|>",
    "unk_token": "<|endoftext|>",
    "pad_token": "<|endoftext|>",
}
_FLAGS = ("lstrip", "rstrip", "single_word", "normalized", "special")
Merge = tuple[str, str]


def read_tokenizer(folder: Path, *, num_embeddings: int) -> Any:
    """A `CLIPTokenizer` of transformers.

    Args:
        num_embeddings: number of tokens that the text encoder knows.

    Raises:
        ModelError: the vocabulary is missing or invalid, or the text encoder does not know a token.
    """
    vocab, merges, added = _vocabulary(folder)
    for token, id in (vocab | added).items():
        if not 0 <= id < num_embeddings:
            raise ModelError(
                f"{folder}: the token {brief(token)} has the number {brief(id)}; its text encoder has "
                f"{num_embeddings:,} tokens, numbered from 0"
            )
    special = {name: _special(folder, name, value) for name, value in _special_tokens(folder).items()}
    for name, token in special.items():
        if str(token) not in vocab and str(token) not in added:
            raise ModelError(f"{folder}: {name} is {brief(str(token))}, which the vocabulary does not have")
    return _make(folder, vocab, merges, added, special)


def _make(
    folder: Path,
    vocab: Mapping[str, int],
    merges: list[Merge],
    added: Mapping[str, int],
    special: Mapping[str, Any],
) -> Any:
    from tokenizers import AddedToken
    from transformers import CLIPTokenizer

    limit = _object(folder / "tokenizer_config.json").get("model_max_length")
    limit = limit if isinstance(limit, int) and 3 <= limit <= 2**20 else 77
    # A special token outside the vocabulary gets the next number when the tokenizer is made.
    ahead = [token for token in special.values() if str(token) not in vocab]
    try:
        tokenizer = CLIPTokenizer(vocab=dict(vocab), merges=merges, model_max_length=limit, **special)
        new = sorted(added.items(), key=lambda item: item[1])
        known = {str(token) for token in ahead}
        tokenizer.add_tokens([AddedToken(text) for text, _ in new if text not in known])
    except Exception as error:  # the library in Rust raises no narrower class
        raise ModelError(f"{folder} holds no tokenizer of CLIP's kind: {brief(str(error))}") from None
    for text, id in new:
        if (given := tokenizer.convert_tokens_to_ids(text)) != id:
            raise ModelError(
                f"{folder}: the added token {brief(text)} has the number {id}; the next free one is {given}"
            )
    return tokenizer


def _vocabulary(folder: Path) -> tuple[dict[str, int], list[Merge], dict[str, int]]:
    """Tokens with their numbers, merges in order, and added tokens."""
    whole = folder / "tokenizer.json"
    added: dict[str, int] = {}
    try:
        if whole.exists():
            content = read_object(whole, max_bytes=_MAX_BYTES)
            model = content.get("model")
            model = model if isinstance(model, dict) else {}
            vocab, merges = model.get("vocab"), model.get("merges")
            source = whole
            added = dict(_added(content.get("added_tokens") or []))
        else:
            source = folder / "vocab.json"
            vocab = read_object(source, max_bytes=_MAX_BYTES) if source.exists() else None
            path = folder / "merges.txt"
            text = read_bytes(path, max_bytes=_MAX_BYTES).decode("utf-8") if path.exists() else None
            merges = None if text is None else _lines(text)
    except (UnreadableFile, UnicodeDecodeError) as error:
        raise ModelError(f"{folder}: {error}") from None
    if not isinstance(vocab, dict) or not vocab or not isinstance(merges, list):
        raise ModelError(
            f"{folder} has no vocabulary; a CLIP tokenizer has tokenizer.json, or vocab.json and merges.txt. "
            "Copy or download the folder again"
        )
    if not all(type(id) is int for id in vocab.values()) or len(set(vocab.values())) < len(vocab):
        raise ModelError(f"{source}: the tokens of the vocabulary have no numbers of their own")
    for text, id in (*added.items(), *_added_in(folder)):
        if vocab.get(text, id) != id:
            raise ModelError(
                f"{folder}: the token {brief(text)} has the numbers {vocab[text]} and {brief(id)}"
            )
        added[text] = id
    return vocab, list(_merges(source, merges, vocab)), {t: id for t, id in added.items() if t not in vocab}


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#version")]


def _merges(source: Path, merges: list[Any], vocab: Mapping[str, int]) -> Iterator[Merge]:
    for merge in merges:
        pair = merge.split(" ") if isinstance(merge, str) else merge
        is_pair = isinstance(pair, list) and len(pair) == 2 and all(isinstance(one, str) for one in pair)
        if not is_pair or any(token not in vocab for token in (*pair, "".join(pair))):
            raise ModelError(
                f"{source}: the merge {brief(merge)} is not of two tokens of the vocabulary to one"
            )
        yield pair[0], pair[1]


def _added(entries: Any) -> Iterator[tuple[str, int]]:
    """The added tokens in tokenizer.json."""
    for entry in entries if isinstance(entries, list) else [entries]:
        text, id = (entry.get("content"), entry.get("id")) if isinstance(entry, dict) else (None, None)
        if not isinstance(text, str) or type(id) is not int or not text:
            raise UnreadableFile(f"an added token is {brief(entry)}; must have a content and an id")
        yield text, id


def _added_in(folder: Path) -> Iterator[tuple[str, int]]:
    """The added tokens of older tokenizers, which have separate files."""
    entries: dict[Any, Any] = dict(_object(folder / "added_tokens.json"))
    decoder = _object(folder / "tokenizer_config.json").get("added_tokens_decoder") or {}
    for id, entry in decoder.items() if isinstance(decoder, dict) else [(None, decoder)]:
        content = entry.get("content") if isinstance(entry, dict) else None
        entries[content] = int(id) if isinstance(id, str) and id.isdecimal() and len(id) < 12 else None
    for text, id in entries.items():
        if not isinstance(text, str) or type(id) is not int or not text:
            raise ModelError(f"{folder}: an added token is {brief((text, id))}; must be a text and a number")
        yield text, id


def _special_tokens(folder: Path) -> dict[str, Any]:
    config, old = _object(folder / "tokenizer_config.json"), _object(folder / "special_tokens_map.json")
    named = {name: config.get(name, old.get(name)) for name in _DEFAULTS}
    return {name: _DEFAULTS[name] if value is None else value for name, value in named.items()}


def _special(folder: Path, name: str, value: Any) -> Any:
    from tokenizers import AddedToken

    content = value.get("content") if isinstance(value, dict) else value
    if not isinstance(content, str) or not content:
        raise ModelError(f"{folder}: {name} is {brief(value)}; must be a token")
    if isinstance(value, str):
        return value
    return AddedToken(content, **{flag: value[flag] for flag in _FLAGS if isinstance(value.get(flag), bool)})


def _object(path: Path) -> dict[str, Any]:
    """The object in an optional file."""
    return read_object(path, max_bytes=_MAX_BYTES) if path.exists() else {}
