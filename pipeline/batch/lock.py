"""Locks an output folder for one run, and a rank in it for each worker."""

import json
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from limelight.files import UnreadableFile, read_json
from limelight.pipeline.atomic import remove_torn
from limelight.pipeline.batch.errors import OutputInUse, OutputLost
from limelight.pipeline.errors import OutputError

PATIENCE = 120.0  # seconds to wait for the lock that one worker holds at a time


def boot_id() -> str:
    """Identifies the running system. Processes with the same identifier see the same locks."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    run: str
    pid: int
    host: str
    boot: str

    @classmethod
    def me(cls, run: str) -> "Owner":
        return cls(run=run, pid=os.getpid(), host=socket.gethostname(), boot=boot_id())

    @classmethod
    def read(cls, path: Path) -> "Owner | None":
        try:
            values: dict[str, Any] = read_json(path)
            return cls(**values)
        except (OSError, UnreadableFile, TypeError):
            return None

    def is_of_this_machine(self) -> bool:
        me = Owner.me("")
        return self.host == me.host or (self.boot == me.boot != "")


class WorkerLock:
    """The lock of one worker in the output folder. The system releases it when the process ends, however it
    ends.

    A file next to the lock names its owner. If no process holds a lock whose owner is on this machine, it is
    stale and is taken over. Locks of other machines may not be visible here, so their owner files are
    believed.

    Raises:
        OutputInUse: another run uses the folder.
        OutputError: the folder cannot be written to.
    """

    def __init__(self, journal: Path, worker: str, run: str) -> None:
        self.journal, self.worker = journal, worker
        self._lock = FileLock(journal / f"{worker}.lock", blocking=False)
        self._note = journal / f"{worker}.owner"
        try:
            with mutex(journal):
                self.recovered = self._take(run)
        except OSError as error:
            raise OutputError(f"cannot write to {journal}: {error.strerror or error}") from None

    def _take(self, run: str) -> Owner | None:
        """Takes the lock; returns an owner that ended without releasing its lock, after removing its
        leftovers."""
        left: dict[Path, Owner] = {}
        for note in sorted(self.journal.glob("*.owner")):
            owner, is_held = Owner.read(note), self.is_held(note.stem)
            if owner is None or owner.run == run:
                continue
            if is_held or not owner.is_of_this_machine():
                remedy = f"wait until it is done, or stop it (kill {owner.pid})"
                if not is_held:
                    remedy = f"if it is gone for good, remove {note}"
                who = f"process {owner.pid} on {owner.host}"
                raise OutputInUse(f"{self.journal.parent} is being drawn into by {who}; {remedy}")
            left[note] = owner
        try:
            self._lock.acquire()
        except Timeout:
            raise OutputInUse(f"{self.journal.parent} has a worker {self.worker} already") from None
        self._note.write_text(json.dumps({slot: getattr(Owner.me(run), slot) for slot in Owner.__slots__}))
        if left:  # then no other worker draws here yet: the first finds this, the others wait for the mutex
            remove_torn(self.journal.parent)
            for note in left.keys() - {self._note}:
                note.unlink(missing_ok=True)
        return next(iter(left.values()), None)

    def is_held(self, worker: str) -> bool:
        """Whether the process of a worker is alive, as far as this machine can tell."""
        if worker == self.worker and self._lock.is_locked:
            return True
        lock = FileLock(self.journal / f"{worker}.lock", blocking=False)
        try:
            lock.acquire()
        except Timeout:
            return True
        lock.release()
        return False

    def is_dead(self, worker: str) -> bool:
        """Whether the process of a worker is known to have ended."""
        if self.is_held(worker):
            return False
        owner = Owner.read(self.journal / f"{worker}.owner")
        return owner is None or owner.is_of_this_machine()

    def leave(self) -> None:
        with suppress(OSError):
            self._note.unlink(missing_ok=True)
        self._lock.release()


def mutex(journal: Path, *, patience: float = PATIENCE) -> FileLock:
    """A lock for critical sections, which one worker holds at a time; a context manager."""
    return FileLock(journal / "all.lock", timeout=patience)


def check_still_there(folder: Path, identity: tuple[int, int]) -> None:
    """Raises OutputLost unless `folder` is the one that it was."""
    if identity != folder_identity(folder):
        raise OutputLost(f"{folder} is gone; it was removed or replaced")


def folder_identity(folder: Path) -> tuple[int, int]:
    try:
        found = os.stat(folder)
    except OSError:
        return -1, -1
    return found.st_dev, found.st_ino
