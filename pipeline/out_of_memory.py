"""Makes a lack of memory raise the same error on every device."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Messages of torch and oneDNN when main memory is exhausted.
_SAID_BY_CPUS = (
    "DefaultCPUAllocator",
    "can't allocate memory",
    "bad_alloc",
    "could not create a memory object",
)


@contextmanager
def memory_errors() -> Iterator[None]:
    """Inside this context, exhausted main memory raises `torch.OutOfMemoryError`, as a GPU's memory does.

    Raises:
        torch.OutOfMemoryError: there is not enough memory.
    """
    try:
        yield
    except MemoryError as error:
        raise torch.OutOfMemoryError(str(error) or "the system has no memory left") from None
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        if not any(words in str(error) for words in _SAID_BY_CPUS):
            raise
        raise torch.OutOfMemoryError(str(error).partition("\n")[0]) from None
