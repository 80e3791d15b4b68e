"""What a language model added to a prompt, and everything that it depends on."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from limelight.pipeline.errors import RequestError


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """A prompt and its continuation.

    Attributes:
        typed: the prompt before the expansion.
        added: the text that the model appended; empty if it appended nothing.
        seed: of the random numbers that the continuation was sampled with.
        model: the language model, as the caller named it.
        hash: content hash of the model's weights.
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

    def check(self, prompt: str) -> None:
        """Raises RequestError unless `prompt` is the longer prompt."""
        if self.text != prompt:
            raise RequestError(
                f"prompt is {prompt[:60]!r} and its expansion makes {self.text[:60]!r}; "
                "the two must be the same: leave expansion out for another prompt"
            )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, value: Any) -> "Expansion":
        """Makes an expansion of its stored form; returns an expansion as it is.

        Raises:
            RequestError: the value is neither.
        """
        if isinstance(value, cls):
            return value
        kinds = {field.name: int if field.name == "seed" else str for field in fields(cls)}
        if not isinstance(value, Mapping) or {k: type(v) for k, v in value.items()} != kinds:
            raise RequestError(f"expansion is {value!r}; must have {', '.join(kinds)}")
        return cls(**value)
