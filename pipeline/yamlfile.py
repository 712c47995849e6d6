"""YAML with the lines remembered, so that a message can name the line a value stands on."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import ConfigError

Location = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """YAML 1.2's core scalars: ``1e6`` is a number; ``12:30``, ``no`` and dates are text."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:null|~|)$"), ["n", "~", ""])
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?\d+$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\d+\.\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+)$"),
    list("-+0123456789."),
)


def _scalar(kind: type) -> Callable[[_Loader, yaml.ScalarNode], Any]:
    """Construct what the resolvers above let through, which is what Python itself reads."""
    return lambda loader, node: kind(loader.construct_scalar(node))


_Loader.add_constructor("tag:yaml.org,2002:float", _scalar(float))
_Loader.add_constructor("tag:yaml.org,2002:int", _scalar(int))


def load_yaml(path: Path) -> tuple[Any, dict[Location, int]]:
    """Read a YAML file and the line of every key and item.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    data
        The file as dicts, lists and scalars.
    lines
        Line number (from 1) by location, such as ``("sky", 0, "catalogue")``.

    Raises
    ------
    ConfigError
        If the file cannot be read, is not YAML, or names a key twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"{path}: the configuration cannot be read: {reason}") from error
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        lines: dict[Location, int] = {}
        if node is not None:
            _walk(path, node, (), lines)
        data = loader.construct_document(node) if node is not None else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f":{mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{where}: not valid YAML: {error.problem or error.context}") from error
    finally:
        loader.dispose()
    return data, lines


def _walk(path: Path, node: yaml.Node, location: Location, lines: dict[Location, int]) -> None:
    """Note the line of every key and item below a node."""
    lines.setdefault(location, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*location, key.value)
            if here in lines:
                raise ConfigError(
                    f"{path}:{key.start_mark.line + 1}: {'.'.join(map(str, here))} is given twice "
                    f"(first on line {lines[here]}); keep one"
                )
            lines[here] = key.start_mark.line + 1
            _walk(path, value, here, lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _walk(path, value, (*location, index), lines)
