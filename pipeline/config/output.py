"""Section ``output``: the dataset, and the stream beside it or instead of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, NonNegativeInt, PositiveInt, field_validator, model_validator

from pipeline.config.base import Duration, Model, OutputPath, positive


class StreamConfig(Model):
    """How every band is streamed while the run goes.

    Attributes
    ----------
    engine
        ADIOS2's engine of streams.
    queue
        The most blocks that are kept for readers that are slower than the run.
    when_full
        What happens when the queue is full: the stream drops blocks, or the run waits.
    readers
        So many readers of a band are waited for before its first block.
    patience_s
        The longest the run ever waits for readers; then the band's stream is given up.
    files
        Whether files are written as well.
    """

    engine: Literal["sst"] = "sst"
    queue: PositiveInt = 4
    when_full: Literal["discard", "block"] = "discard"
    readers: NonNegativeInt = 0
    patience_s: Annotated[Duration, AfterValidator(positive)] = Field(30.0, alias="patience")
    files: bool = True

    @model_validator(mode="before")
    @classmethod
    def _engine_alone(cls, data: Any) -> Any:
        return {"engine": data} if isinstance(data, str) else data


def _or_engine_alone(schema: dict[str, Any]) -> None:
    schema["anyOf"] = [{"const": "sst"}, *schema["anyOf"]]


class OutputConfig(Model):
    """Where the dataset goes, and whether it is streamed: ``stream: sst`` is short for ``{engine: sst}``."""

    path: OutputPath
    stream: StreamConfig | None = Field(None, json_schema_extra=_or_engine_alone)

    @field_validator("path")
    @classmethod
    def _named_dawn(cls, value: Path) -> Path:
        if value.suffix != ".dawn":
            raise ValueError(f"{value.name!r} must end in .dawn, such as '{value.stem or 'observation'}.dawn'")
        return value
