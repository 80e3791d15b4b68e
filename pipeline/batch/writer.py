"""Decodes finished pictures in one thread and saves them in others, while the next are sampled."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from threading import Lock, Thread
from typing import Any

from limelight.pipeline.batch.errors import OutputLost
from limelight.pipeline.batch.journal import Journal
from limelight.pipeline.batch.lock import check_still_there, folder_identity
from limelight.pipeline.batch.rows.rows import Row
from limelight.pipeline.errors import OutputError, PictureError, UsageError
from limelight.pipeline.results.maps_export import export_maps
from limelight.pipeline.results.png import save_png
from limelight.pipeline.results.result import Result

logger = logging.getLogger(__name__)

MAX_WAITING = 16  # pictures
SAVERS = 4  # threads: a GPU samples 512 px faster than one of them encodes PNGs, which takes 0.1 s
MAX_ERROR_CHARACTERS = 2000
GRACE = 1.5  # seconds for the picture that is being decoded when the run is stopped


@dataclass(frozen=True, slots=True)
class Finished:
    """A picture whose latent is sampled."""

    row: Row
    key: str
    file: str
    finish: Callable[[], Result]
    begun: float  # of time.monotonic


class Writer:
    """Writes pictures to disk and then to the journal. It decodes one at a time and saves several at once.

    Attributes:
        error: the error that stopped it: `OutputLost`, or a bug.
    """

    def __init__(self, output: Path, journal: Journal) -> None:
        self.error: BaseException | None = None
        self._output, self._identity, self._journal = output, folder_identity(output), journal
        self._queue: Queue[Finished] = Queue(MAX_WAITING)
        self._is_stopped = False
        self._is_given_up = False
        self._handing_on = Lock()
        self._savers = ThreadPoolExecutor(SAVERS, thread_name_prefix="saver")
        self._thread = Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def put(self, finished: Finished) -> None:
        """Queues a picture; waits while `MAX_WAITING` others are queued."""
        while self.error is None and self._queue.unfinished_tasks >= MAX_WAITING:
            time.sleep(0.002)
        self._queue.put(finished)

    @property
    def is_idle(self) -> bool:
        return self._queue.unfinished_tasks == 0

    def drain(self, patience: float = float("inf")) -> None:
        """Waits until every picture is written or has failed, or for `patience` seconds."""
        end = time.monotonic() + patience
        while not self.is_idle and self.error is None and time.monotonic() < end:
            time.sleep(0.002)

    def stop(self) -> None:
        """Drops pictures that have not been begun, and waits briefly for the one that is being decoded. After
        it returns, nothing more is written."""
        self._is_stopped = True
        self._thread.join(GRACE)
        with self._handing_on:
            self._is_given_up = True
        self._savers.shutdown(cancel_futures=True)
        with suppress(Empty):
            while self._queue.get_nowait():
                self._queue.task_done()

    def fail(self, key: str, error: Exception) -> None:
        """Records that a row has failed."""
        is_expected = isinstance(error, PictureError | UsageError | OSError)
        text = str(error) if is_expected else f"{type(error).__name__}: {error}"
        if not is_expected:
            logger.debug("a row failed", exc_info=error)
        logger.info("%s failed: %s", key, text[:MAX_ERROR_CHARACTERS])
        self._journal.append({"failed": key, "error": text[:MAX_ERROR_CHARACTERS]})

    def _run(self) -> None:
        while not self._is_stopped and self.error is None:
            try:
                finished = self._queue.get(timeout=0.05)
            except Empty:
                continue
            try:
                saving = self._decode(finished)
            except BaseException as error:  # taken up by the main thread
                self.error, saving = error, None
            if saving is None:
                self._queue.task_done()
            else:
                saving.add_done_callback(self._saved)

    def _decode(self, finished: Finished) -> Future[None] | None:
        """Decodes a picture, and returns the future of saving it; None if there is nothing to save."""
        try:
            result = finished.finish()
        except Exception as error:  # whatever it is, it is this row's
            self.fail(finished.key, error)
            return None
        with self._handing_on:
            return None if self._is_given_up else self._savers.submit(self._save, finished, result)

    def _saved(self, saving: Future[None]) -> None:
        if not saving.cancelled() and (error := saving.exception()) is not None:
            self.error = error
        self._queue.task_done()

    def _save(self, finished: Finished, result: Result) -> None:
        if self.error is not None:
            return
        key, path = finished.key, self._output / finished.file
        check_still_there(self._output, self._identity)
        row = {"id": finished.row.id, "key": key, "line": finished.row.line, "columns": finished.row.columns}
        try:
            if result.maps is not None:
                export_maps(result, self._output / "maps", stem=path.stem)
            save_png(result.image, dict(result.info) | {"row": row}, path)
            size = path.stat().st_size
        except (OutputError, OSError) as error:
            self.fail(key, error)
            raise OutputLost(str(error)) from None
        except Exception as error:
            return self.fail(key, error)
        done: dict[str, Any] = {"done": key, "file": finished.file, "bytes": size}
        if result.info["is_constant"]:
            done["is_constant"] = True
        if (found := result.info.get("check")) is not None:
            done["check"] = found["geometric_mean"]
            done["weakest"] = min(found["words"], key=lambda each: each["score"], default={"word": ""})[
                "word"
            ]
            if "describer" in found:
                done["described"] = found["describer"]["geometric_mean"]
        if result.maps is not None:
            done["maps"] = True
        seconds = round(time.monotonic() - finished.begun, 3)
        self._journal.append(done | {"seconds": seconds})
        logger.info("%s drawn, line %d, %.3f s", finished.file, finished.row.line, seconds)
