"""The expansions of visitors' prompts by a language model."""

from collections.abc import Sequence
from dataclasses import replace
from threading import Lock

from limelight.app.ui.access.visitor import Visitor
from limelight.pipeline.requests.expansion import Expansion
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.text.expander import Expander
from limelight.pipeline.text.vocabulary import Vocabulary


class Expansions:
    """The last expansion of each visitor; it goes into the record of pictures with that prompt."""

    def __init__(self) -> None:
        self._expander: Expander | None = None
        self._last: dict[Visitor, Expansion] = {}
        self._lock = Lock()  # handlers run in threads

    def expand(self, visitor: Visitor, prompt: str, *, seed: int, vocabulary: Vocabulary | None) -> Expansion:
        """Continues a prompt with the default language model, in words that the image model knows."""
        with self._lock:
            if self._expander is None:
                from transformers.utils import logging

                logging.disable_progress_bar()  # the server's log has no use for it
                self._expander = Expander.from_pretrained()
            expansion = self._expander.knowing(vocabulary).expand(prompt, seed=seed)
            self._last[visitor] = expansion
        return expansion

    def recorded(self, visitor: Visitor, requests: Sequence[GenerationRequest]) -> list[GenerationRequest]:
        """The requests; those whose prompt is the visitor's last expansion have it in their record."""
        last = self._last.get(visitor)
        return [
            replace(request, expansion=last) if last is not None and request.prompt == last.text else request
            for request in requests
        ]

    def forget(self, visitor: Visitor) -> None:
        """Drops the expansion of a visitor who leaves."""
        self._last.pop(visitor, None)
