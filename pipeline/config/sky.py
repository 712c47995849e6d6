"""Section ``sky``: a list of entries that add up, each known by the key that names it."""

from __future__ import annotations

import difflib
from typing import Annotated, Any

from pydantic import Discriminator, Tag

from pipeline.config.base import Model
from pipeline.config.diffuse import HealpixEntry, ImageEntry, LightconeEntry
from pipeline.config.eor import EorFieldEntry
from pipeline.config.sources import CatalogueEntry, PopulationEntry, SourcesEntry

#: The key that tells an entry's kind, and how an entry of that kind is written.
KINDS = {
    "sources": "{sources: [{ra, dec, i}, …]}",
    "catalogue": "{catalogue: PATH, format: …}",
    "population": "{population: {seed, flux: {min, max}}}",
    "image": "{image: PATH}",
    "healpix": "{healpix: PATH}",
    "lightcone": "{lightcone: PATH}",
    "eor_field": "{eor_field: {seed, power_spectrum, size, cell}}",
}


def _kind(value: Any) -> str | None:
    """Name the kind of an entry: the first of `KINDS` among its keys, or else among what they are slips of."""
    if isinstance(value, Model):
        return next(kind for kind in KINDS if kind in type(value).model_fields)
    if not isinstance(value, dict):
        return None
    meant = [kind for key in value for kind in difflib.get_close_matches(str(key), KINDS, n=1)]
    return next((kind for kind in KINDS if kind in value), meant[0] if meant else None)


SkyEntry = Annotated[
    Annotated[SourcesEntry, Tag("sources")]
    | Annotated[CatalogueEntry, Tag("catalogue")]
    | Annotated[PopulationEntry, Tag("population")]
    | Annotated[ImageEntry, Tag("image")]
    | Annotated[HealpixEntry, Tag("healpix")]
    | Annotated[LightconeEntry, Tag("lightcone")]
    | Annotated[EorFieldEntry, Tag("eor_field")],
    Discriminator(
        _kind,
        custom_error_type="sky_entry",
        custom_error_message=f"an entry is {' or '.join(KINDS.values())}",
    ),
]
