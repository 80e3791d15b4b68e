"""Decodes and saves finished pictures in a thread of its own, while the next are sampled."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from threading import Lock, Thread
from typing import Any

from limelight.pipeline.batch.errors import OutputLost
from limelight.pipeline.batch.journal import Journal
from limelight.pipeline.batch.lock import check_still_there, folder_identity
from limelight.pipeline.batch.rows.rows import Row
from limelight.pipeline.errors import OutputError, PictureError
from limelight.pipeline.results.maps_export import export_maps
from limelight.pipeline.results.png import save_png
from limelight.pipeline.results.result import Result

MAX_WAITING = 16  # pictures
GRACE = 1.5  # seconds for what is being decoded when the run is stopped


@dataclass(frozen=True, slots=True)
class Finished:
    """A picture that is sampled."""

    row: Row
    key: str
    file: str
    finish: Callable[[], Result]
    begun: float  # of time.monotonic


class Writer:
    """Takes pictures to disk and then into the journal, one after another.

    Attributes:
        error: what stopped it: `OutputLost`, or a bug.
    """

    def __init__(self, output: Path, journal: Journal) -> None:
        self.error: BaseException | None = None
        self._output, self._identity, self._journal = output, folder_identity(output), journal
        self._queue: Queue[Finished] = Queue(MAX_WAITING)
        self._is_stopped = False
        self._is_given_up = False
        self._writing = Lock()
        self._thread = Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def put(self, finished: Finished) -> None:
        """Waits while `MAX_WAITING` others do."""
        while self.error is None and self._queue.unfinished_tasks >= MAX_WAITING:
            time.sleep(0.002)
        self._queue.put(finished)

    @property
    def is_idle(self) -> bool:
        return self._queue.unfinished_tasks == 0

    def drain(self, patience: float = float("inf")) -> None:
        """Waits until everything is written, or cannot be, or for so many seconds."""
        end = time.monotonic() + patience
        while not self.is_idle and self.error is None and time.monotonic() < end:
            time.sleep(0.002)

    def stop(self) -> None:
        """Lets go of what has not been begun, waits a little for what is being decoded, and until the end of
        what is being written: when it returns, nothing more is."""
        self._is_stopped = True
        self._thread.join(GRACE)
        with self._writing:
            self._is_given_up = True

    def fail(self, key: str, error: Exception) -> None:
        """Notes that a row has no picture."""
        self._journal.append({"failed": key, "error": str(error)})

    def _run(self) -> None:
        while not self._is_stopped and self.error is None:
            try:
                finished = self._queue.get(timeout=0.05)
            except Empty:
                continue
            try:
                self._write(finished)
            except BaseException as error:  # taken up by the main thread
                self.error = error
            finally:
                self._queue.task_done()

    def _write(self, finished: Finished) -> None:
        try:
            result = finished.finish()
        except PictureError as error:
            return self.fail(finished.key, error)
        with self._writing:
            if not self._is_given_up:
                self._save(finished, result)

    def _save(self, finished: Finished, result: Result) -> None:
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
        done: dict[str, Any] = {"done": key, "file": finished.file, "bytes": size}
        if result.info["is_constant"]:
            done["is_constant"] = True
        if result.maps is not None:
            done["maps"] = True
        self._journal.append(done | {"seconds": round(time.monotonic() - finished.begun, 3)})
