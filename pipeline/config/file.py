"""Reading a configuration file, and saying clearly what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.config.observation import Config
from pipeline.errors import ConfigError
from pipeline.yamlfile import Location, load_yaml


def load_config(path: Path) -> Config:
    """Read and validate a configuration.

    Parameters
    ----------
    path
        A YAML file.

    Raises
    ------
    ConfigError
        With one line per mistake: file, line, key, value, rule and remedy.
    """
    data, lines = load_yaml(path)
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: a configuration is a mapping of keys such as name, telescope, sky")
    try:
        return Config.model_validate(data, context={"folder": path.resolve().parent})
    except ValidationError as error:
        messages = [_describe(path, lines, detail) for detail in error.errors()]
        raise ConfigError("\n".join(messages)) from None


def _describe(path: Path, lines: dict[Location, int], detail: Any) -> str:
    """Say one of pydantic's findings in a line that names file, line, key, rule and remedy."""
    location: Location = detail["loc"]
    # The tag of a sky entry is pydantic's, not the user's.
    if location[:1] == ("sky",) and len(location) > 2:
        location = (*location[:2], *location[3:])
    # A check of several keys at once says itself which one to look at.
    if "at" in detail.get("ctx", {}):
        location = (*location, *detail["ctx"]["at"].split("."))
    line = next((lines[location[:n]] for n in range(len(location), -1, -1) if location[:n] in lines), 1)
    message = detail["msg"].removeprefix("Value error, ")
    message = {"missing": "is missing; it must be given"}.get(detail["type"], message)
    if detail["type"] not in ("missing", "value_error", "rule", "sky_entry"):
        message = f"{detail['input']!r}: {message[0].lower()}{message[1:]}"
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
    return f"{path}:{line}: {key}: {message}" if key else f"{path}: {message}"


def json_schema() -> str:
    """Return the JSON Schema of a configuration, for editors that complete and check YAML."""
    schema: dict[str, Any] = Config.model_json_schema(by_alias=True)
    return json.dumps({"title": "Dawnstream observation", **schema}, indent=2)
