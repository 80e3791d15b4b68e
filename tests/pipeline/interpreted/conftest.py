from tests.attention.interpreted.conftest import backend, collect_ignore_glob, device  # noqa: F401
