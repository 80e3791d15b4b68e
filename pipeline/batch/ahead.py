"""Encodes the prompts of rows that are about to be drawn, while others are sampled."""

from concurrent.futures import ThreadPoolExecutor

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

    def encode(self, request: GenerationRequest) -> None:
        """Takes the prompt up when those given before are done."""
        self._thread.submit(self._encode, request.prompt, request.clip_skip)

    def stop(self) -> None:
        """Lets go of what has not been begun."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    @torch.inference_mode()
    def _encode(self, prompt: str, clip_skip: int) -> None:
        self._text.prompt(prompt, clip_skip=clip_skip)
