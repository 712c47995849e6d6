"""The walls between the packages, read from the imports of every module, also those inside functions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("pipeline", "kernels")


@dataclass(frozen=True)
class Wall:
    """`module` and what is below it may be imported in the scope only from the allowed files or folders."""

    module: str
    allowed: tuple[str, ...]
    scope: str = ""

    def forbids(self, file: str, module: str) -> bool:
        inside = module == self.module or module.startswith(self.module + ".")
        return inside and file.startswith(self.scope) and not file.startswith(self.allowed)


WALLS = (
    Wall("mpi4py", allowed=("pipeline/parallel/",)),
    Wall("adios2", allowed=("pipeline/dataset/",)),
    Wall("numba.cuda", allowed=("kernels/cuda/", "pipeline/parallel/device.py")),
    Wall("numba_cuda", allowed=("kernels/cuda/", "pipeline/parallel/device.py")),
    Wall("pipeline", allowed=(), scope="kernels/"),
    Wall("pipeline.cli", allowed=("pipeline/__main__.py",)),
    Wall("pipeline.commands", allowed=("pipeline/cli.py", "pipeline/commands/")),
)


def modules(root: Path) -> Iterator[tuple[str, ast.Module]]:
    """Give (path relative to root, syntax tree) of every module of the packages."""
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            yield path.relative_to(root).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def absolute(file: str, node: ast.ImportFrom) -> str:
    """Give the module that `from ... import` names, with the dots of a relative import resolved."""
    parts = list(Path(file).parent.parts)
    base = parts[: len(parts) - node.level + 1] if node.level else []
    return ".".join(base + ([node.module] if node.module else []))


def imported(file: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Give (line, dotted name) of all that a module imports, and of what it takes from an imported module."""
    aliases: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                top = name.name.partition(".")[0]
                aliases[name.asname or top] = name.name if name.asname else top
                yield node.lineno, name.name
        elif isinstance(node, ast.ImportFrom):
            base = absolute(file, node)
            for name in node.names:
                aliases[name.asname or name.name] = f"{base}.{name.name}"
                yield node.lineno, f"{base}.{name.name}"
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__"):
                yield node.lineno, str(node.args[0].value)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in aliases:
            yield node.lineno, f"{aliases[node.value.id]}.{node.attr}"


def breaches(root: Path) -> list[str]:
    """Give a line for every import that goes through a wall."""
    return [
        f"{file}:{line} uses {module}, which is for {', '.join(wall.allowed) or 'others'} only"
        for file, tree in modules(root)
        for line, module in imported(file, tree)
        for wall in WALLS
        if wall.forbids(file, module)
    ]


def world_uses(root: Path) -> list[str]:
    """Give every place in the code (not in its prose) that names the communicator of all ranks."""
    return [
        f"{file}:{node.lineno}"
        for file, tree in modules(root)
        for node in ast.walk(tree)
        if "COMM_WORLD" in (getattr(node, "attr", None), getattr(node, "id", None), getattr(node, "name", None))
        or (isinstance(node, ast.Constant) and node.value == "COMM_WORLD")
    ]


def plant(root: Path, file: str, source: str) -> Path:
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source, encoding="utf-8")
    return root


def test_no_import_goes_through_a_wall():
    assert breaches(ROOT) == []


def test_the_walls_see_the_modules():
    files = [file for file, _ in modules(ROOT)]
    assert "pipeline/config/observation.py" in files
    assert len(files) > 10


def test_the_communicator_of_all_ranks_is_named_in_one_place():
    assert len(world_uses(ROOT)) == 1, world_uses(ROOT)


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("pipeline/run.py", "from mpi4py import MPI\n"),
        ("pipeline/products/cube.py", "def f():\n    import mpi4py.MPI as MPI\n"),
        ("pipeline/run.py", "import importlib\nimportlib.import_module('mpi4py')\n"),
        ("pipeline/products/image.py", "def f():\n    from adios2 import Stream\n"),
        ("kernels/cpu/products.py", "import adios2\n"),
        ("pipeline/run.py", "from numba import cuda\n"),
        ("pipeline/parallel/exchange.py", "import numba\n\ndef f():\n    numba.cuda.synchronize()\n"),
        ("kernels/bodies.py", "import numba as nb\n\nf = nb.cuda.jit\n"),
        ("kernels/reference/products.py", "import numba.cuda\n"),
        ("kernels/reference/products.py", "from pipeline.errors import DawnstreamError\n"),
        ("kernels/cpu/products.py", "def f():\n    import pipeline\n"),
        ("pipeline/run.py", "from pipeline.cli import main\n"),
        ("pipeline/run.py", "from pipeline import cli\n"),
        ("pipeline/run.py", "from . import cli\n"),
        ("pipeline/run.py", "from pipeline.commands.common import say\n"),
        ("pipeline/products/cube.py", "from ..cli import main\n"),
        ("pipeline/products/cube.py", "if False:\n    from .. import cli\n"),
    ],
)
def test_a_planted_breach_is_seen(tmp_path, file, source):
    found = breaches(plant(tmp_path, file, source))
    assert found
    assert all(line.startswith(f"{file}:") for line in found)


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("pipeline/parallel/topology.py", "from mpi4py import MPI\n"),
        ("pipeline/dataset/writer.py", "import adios2\n"),
        ("kernels/cuda/products.py", "from numba import cuda\n"),
        ("pipeline/parallel/device.py", "def f():\n    from numba import cuda\n"),
        ("kernels/cpu/products.py", "from numba import njit\nfrom kernels import bodies\n"),
        ("pipeline/__main__.py", "from pipeline.cli import main\n"),
        ("pipeline/run.py", '"""About mpi4py, adios2 and COMM_WORLD."""\nimport adios2_like\n'),
    ],
)
def test_what_is_allowed_passes(tmp_path, file, source):
    assert breaches(plant(tmp_path, file, source)) == []
    assert world_uses(tmp_path) == []


@pytest.mark.parametrize(
    "second",
    [
        "world = MPI.COMM_WORLD\n",
        "from mpi4py.MPI import COMM_WORLD\n",
        "world = getattr(MPI, 'COMM_WORLD')\n",
    ],
)
def test_a_second_communicator_of_all_ranks_is_seen(tmp_path, second):
    plant(tmp_path, "pipeline/parallel/a.py", "world = MPI.COMM_WORLD\n")
    plant(tmp_path, "pipeline/parallel/b.py", second)
    assert len(world_uses(tmp_path)) == 2
