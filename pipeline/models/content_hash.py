"""Computes the content hash of a model in the background."""

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Lock

from limelight.unet.weights.tensors import content_hash


class ContentHash:
    """SHA-256 of the content of weight files, computed once, in another thread.

    Args:
        files: as in `content_hash`; they are not read before `start` or `result`.
    """

    def __init__(self, files: Iterable[Path]) -> None:
        self._files = list(files)
        self._lock = Lock()
        self._digest: Future[str] | None = None

    def start(self) -> Future[str]:
        """Starts reading the files in the background, if it has not begun."""
        with self._lock:
            if self._digest is None:
                executor = ThreadPoolExecutor(1, thread_name_prefix="content-hash")
                self._digest = executor.submit(content_hash, self._files)
                executor.shutdown(wait=False)
            return self._digest

    def result(self) -> str:
        """The hash in hex. It waits until the hash is known."""
        return self.start().result()
