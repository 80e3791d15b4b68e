"""Words that textual inversions teach a model; each stands for one or more vectors.

Source: Gal et al. 2022, arXiv:2208.01618, section 4.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding:
    """A word and its vectors.

    Attributes:
        word: the word to type in prompts; case is ignored.
        sha256: hash of the file.
        vectors: n d, for every text encoder of the model.
    """

    word: str
    path: Path
    sha256: str
    vectors: tuple[Float[Tensor, "n d"], ...]

    def record(self) -> dict[str, str]:
        """What identifies the embedding in a picture's record, and the name of its file."""
        return {"kind": "embedding", "name": self.word, "file": self.path.name, "sha256": self.sha256}


class LearnedRows(nn.Module):
    """A token embedding with additional rows, which have the ids -1, -2, ...

    They are lower than all other ids, so that a text model that pools at the highest id still pools at the
    end token.
    """

    def __init__(self, base: nn.Module, rows: Float[Tensor, "n d"]) -> None:
        super().__init__()
        self.base = base
        self.rows: Tensor
        self.register_buffer("rows", rows, persistent=False)

    def forward(self, ids: Int[Tensor, "b m"]) -> Float[Tensor, "b m d"]:
        learned = self.rows[(-ids - 1).clamp(min=0)]
        return torch.where((ids < 0)[..., None], learned, self.base(ids.clamp(min=0)))
