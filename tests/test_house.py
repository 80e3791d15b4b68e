"""The structure of the repository: rooms, import circles, sizes of files."""

import ast
import subprocess
from collections import Counter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1]
MAX_FILES, MAX_LINES = 16, 300
SOURCES = ("*.py", "*.js", "*.css")
PUBLIC = ("__init__.py", "conftest.py")


@pytest.fixture(scope="module")
def files() -> list[Path]:
    """The sources of the repository, each once: the links in `limelight/` lead to files that are listed."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", *SOURCES],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def circles(imports: dict[str, set[str]]) -> list[list[str]]:
    """The groups of modules that import each other (strongly connected components, Tarjan 1972)."""
    found: list[list[str]] = []
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    path: list[str] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        path.append(module)
        for other in imports[module]:
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in path:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            group = path[path.index(module) :]
            del path[path.index(module) :]
            if len(group) > 1:
                found.append(sorted(group))

    for module in imports:
        if module not in index:
            visit(module)
    return found


def test_a_circle_is_found() -> None:
    imports = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}
    assert circles(imports) == [["a", "b", "c"]]
    assert circles({"a": {"b"}, "b": set()}) == []


def test_no_module_is_part_of_an_import_circle() -> None:
    graph = grimp.build_graph("limelight", "scripts", exclude_type_checking_imports=True, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imports) > 250
    assert circles(imports) == []


def test_a_room_has_few_files(files: list[Path]) -> None:
    counts = Counter((path.parent, path.suffix) for path in files)
    assert {str(room): count for (room, _), count in counts.items() if count > MAX_FILES} == {}


def test_a_file_fits_in_one_sitting(files: list[Path]) -> None:
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files}
    assert {name: count for name, count in lines.items() if count > MAX_LINES} == {}


def hands_on(source: str) -> bool:
    """Whether a module does nothing but import, and name what it imported."""
    body = [node for node in ast.parse(source).body if not isinstance(node, ast.Expr)]
    names = [getattr(node.targets[0], "id", "") for node in body if isinstance(node, ast.Assign)]
    imports = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    return bool(imports) and len(imports) + len(names) == len(body) and set(names) <= {"__all__"}


def test_no_file_only_reexports(files: list[Path]) -> None:
    """The public names of a package are its `__init__`'s."""
    assert hands_on('"""Words."""\nfrom a import b\n__all__ = ["b"]')
    python = [path for path in files if path.suffix == ".py" and path.name not in PUBLIC]
    assert [str(path) for path in python if hands_on(path.read_text())] == []
