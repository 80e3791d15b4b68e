"""What a language model added to a prompt, and everything that it depends on."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from limelight.pipeline.errors import RequestError


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

    def check(self, prompt: str) -> None:
        """Raises RequestError unless this is how `prompt` came about."""
        if self.text != prompt:
            raise RequestError(
                f"prompt is {prompt[:60]!r} and its expansion makes {self.text[:60]!r}; "
                "must be the same: leave expansion out where the prompt is another"
            )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, value: Any) -> "Expansion":
        """An expansion, or one as it was stored.

        Raises:
            RequestError: it is something else.
        """
        if isinstance(value, cls):
            return value
        kinds = {field.name: int if field.name == "seed" else str for field in fields(cls)}
        if not isinstance(value, Mapping) or {k: type(v) for k, v in value.items()} != kinds:
            raise RequestError(f"expansion is {value!r}; must have {', '.join(kinds)}")
        return cls(**value)
