"""What docs/sky.md says: its examples load, and it names every key."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from pipeline.config.base import DirectionConfig
from pipeline.config.sky import SkyEntry
from pipeline.config.sources import (
    CatalogueEntry,
    FluxRange,
    IndexDistribution,
    PopulationConfig,
    ShapeConfig,
    SourceConfig,
    SpectrumTable,
)
from pipeline.observation.skies.base import Observed
from pipeline.observation.sky import load_sky

ROOT = Path(__file__).parents[2]
SKY, GUIDE = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("sky.md", "guide.md"))
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", SKY, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_load(example):
    entries = TypeAdapter(tuple[SkyEntry, ...]).validate_python(
        yaml.safe_load(example)["sky"], context={"folder": ROOT / "configs"}
    )
    sky, _ = load_sky(entries, Observed((0.0, -math.pi / 2), 150e6, 5425.347, 144))
    assert sky.n_sources > len(entries)
    assert sky.stokes_at(150e6).shape == (sky.n_sources, 4)


@pytest.mark.parametrize(
    "model",
    [
        *(SourceConfig, ShapeConfig, SpectrumTable, CatalogueEntry),
        *(PopulationConfig, FluxRange, IndexDistribution, DirectionConfig),
    ],
)
def test_the_guide_names_every_key(model):
    for name, field in model.model_fields.items():
        assert f"`{field.alias or name}`" in GUIDE


def test_formats_are_described():
    for name in ("gleam", "table", "oskar", "skyh5", "wsclean"):
        assert f"### `{name}`" in SKY
