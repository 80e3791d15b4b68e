"""Words that a textual inversion teaches a model, each standing for one or more vectors.

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
        word: as it is typed in prompts, upper and lower case alike.
        sha256: of the file.
        vectors: n d, for every text encoder of the model.
    """

    word: str
    path: Path
    sha256: str
    vectors: tuple[Float[Tensor, "n d"], ...]

    def record(self) -> dict[str, str]:
        """What has to be the same for the same picture, and what the file was called."""
        return {"kind": "embedding", "name": self.word, "file": self.path.name, "sha256": self.sha256}


class LearnedRows(nn.Module):
    """A token embedding with more rows, which have the ids -1, -2, ...

    Below all others, so that a text model which pools at the highest id still pools at the end token.
    """

    def __init__(self, base: nn.Module, rows: Float[Tensor, "n d"]) -> None:
        super().__init__()
        self.base = base
        self.rows: Tensor
        self.register_buffer("rows", rows, persistent=False)

    def forward(self, ids: Int[Tensor, "b m"]) -> Float[Tensor, "b m d"]:
        learned = self.rows[(-ids - 1).clamp(min=0)]
        return torch.where((ids < 0)[..., None], learned, self.base(ids.clamp(min=0)))
