"""What a language model added to a prompt, and everything that it depends on."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from pipeline.errors import RequestError


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """A prompt and its continuation.

    Attributes:
        typed: the prompt as it was.
        added: what stands behind it; empty where the model found nothing to add.
        seed: of what was drawn by chance.
        model: the language model, as the caller named it.
        hash: of the content of its weights.
    """

    typed: str
    added: str
    seed: int
    model: str
    hash: str

    @property
    def text(self) -> str:
        """The longer prompt."""
        return self.typed + self.added

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Any) -> "Expansion":
        """As it was stored.

        Raises:
            RequestError: it is something else.
        """
        kinds = {field.name: int if field.name == "seed" else str for field in fields(cls)}
        if not isinstance(stored, Mapping) or {k: type(v) for k, v in stored.items()} != kinds:
            raise RequestError(f"expansion is {stored!r}; must have {', '.join(kinds)}")
        return cls(**stored)
