"""Encodes the prompts of rows that are about to be drawn, while others are sampled."""

from concurrent.futures import Future, ThreadPoolExecutor, wait

import torch

from pipeline.request import GenerationRequest
from pipeline.text import TextEncoder


class Ahead:
    """A thread that fills the text encoder's cache.

    What is wrong with a prompt is told when the row is drawn, which then encodes it again.
    """

    def __init__(self, text: TextEncoder) -> None:
        self._text = text
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ahead")
        self._given: dict[tuple[str, int], Future[None]] = {}

    def encode(self, request: GenerationRequest) -> None:
        """Takes the prompt up when those given before are done."""
        key = request.prompt, request.clip_skip
        if key not in self._given:
            self._given[key] = self._thread.submit(self._encode, *key)

    def leave(self, request: GenerationRequest) -> None:
        """Leaves a prompt that is needed now to the caller; where it has been taken up, waits until it is
        encoded."""
        given = self._given.pop((request.prompt, request.clip_skip), None)
        if given is not None and not given.cancel():
            wait((given,))

    def stop(self) -> None:
        """Lets go of what has not been begun."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    @torch.inference_mode()
    def _encode(self, prompt: str, clip_skip: int) -> None:
        self._text.prompt(prompt, clip_skip=clip_skip)
