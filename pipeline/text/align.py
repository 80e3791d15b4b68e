"""Which tokens of one prompt stand where in another: words by words, chunks by chunks."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import torch
from jaxtyping import Float
from torch import Tensor

from limelight.pipeline.segments import spelled
from limelight.pipeline.text.encoder import Conditioning, Word, parts_of, words_of


@dataclass(frozen=True, slots=True)
class Alignment:
    """How a prompt came from another.

    Attributes:
        tokens: of the base, one row each, to those of the edit: a replaced word's to all of its new word's
            alike; start, end and padding to those in the same position.
        changes: in words: "cat -> dog", "+ red", "- big".
        only_adds: whether words are added, and none is replaced or removed.
    """

    tokens: Float[Tensor, "m_base m_edit"]
    changes: Sequence[str]
    only_adds: bool = False

    @property
    def share(self) -> Float[Tensor, " m_edit"]:
        """Of each token of the edit, whether it has one of the base to look as: 1 or 0."""
        return (self.tokens.sum(0) > 0).float()


def align(base: str, its: Conditioning, edit: str, their: Conditioning) -> Alignment:
    """The alignment of two prompts, each with how it is encoded."""
    old, new = words_of(base, its.tokens), words_of(edit, their.tokens)
    tokens = torch.zeros(len(its.context), len(their.context))
    first, second = parts_of(its.tokens), parts_of(their.tokens)
    for i, (one, other) in enumerate(zip(first, second, strict=False)):
        if one == other and one != "word":
            tokens[i, i] = 1
    changes: list[str] = []
    kinds: set[str] = set()
    before, after = ([spelled(word.text) for word in words] for words in (old, new))
    for kind, i, i_end, j, j_end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            for one_word, other_word in zip(old[i:i_end], new[j:j_end], strict=True):
                _map(tokens, [one_word], [other_word])
        elif kind == "replace" and i_end - i == j_end - j:
            for one_word, other_word in zip(old[i:i_end], new[j:j_end], strict=True):
                _map(tokens, [one_word], [other_word])
        elif kind == "replace":
            _map(tokens, old[i:i_end], new[j:j_end])
        if kind != "equal":
            kinds.add(kind)
            changes.append(_change(old[i:i_end], new[j:j_end]))
    return Alignment(tokens, changes, kinds == {"insert"})


def _map(tokens: Tensor, old: Sequence[Word], new: Sequence[Word]) -> None:
    """Gives each token of the old words to those of the new ones: to its own where they are equally many."""
    before, after = ([i for word in words for i in word.tokens] for words in (old, new))
    if len(before) == len(after):
        tokens[before, after] = 1
    else:
        tokens[torch.tensor(before)[:, None], torch.tensor(after)] = 1 / len(after)


def _change(old: Sequence[Word], new: Sequence[Word]) -> str:
    before, after = (" ".join(word.text for word in words) for words in (old, new))
    return f"{before} -> {after}" if old and new else f"+ {after}" if new else f"- {before}"
