"""A run's results as one folder of checksummed files, to be sent to a regional centre."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.dataset.reader import open_dataset
from pipeline.dataset.storage import MANIFEST, OBSERVATION
from pipeline.dataset.verify import describe_dataset, verify_dataset
from pipeline.errors import DatasetError, IncompleteError
from pipeline.products.bag import BagReport, Payload, bytes_of, check_bag, counted, fill_bag
from pipeline.telemetry.describe import human_bytes
from pipeline.telemetry.progress import Style, show_count, show_progress
from pipeline.version import software

COMPANIONS = ("psf", "sampling", "pb", "pbcor")
"""What ``dawnstream image`` makes beside ``cube.fits``: ``cube-psf.fits`` and so on."""

TAG_FILES = ("bagit.txt", "bag-info.txt", "README.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt")


@dataclass(frozen=True)
class Contents:
    """What goes into a bundle beside observation.yaml and manifest.json.

    Attributes
    ----------
    cubes : sequence of Path
        FITS cubes; what belongs to them is found beside them.
    others : sequence of Path
        Plots, films, tables, reports.
    visibilities : bool
        The dataset itself.
    incomplete : bool
        Allow a dataset that is not complete; of its visibilities the complete bands are taken.
    """

    cubes: Sequence[Path] = ()
    others: Sequence[Path] = ()
    visibilities: bool = False
    incomplete: bool = False


def make_bundle(dataset: Path, output: Path, contents: Contents, copy: bool, style: Style) -> BagReport:
    """Make a bundle of a run.

    Parameters
    ----------
    dataset : Path
        The run's dataset.
    output : Path
        The folder to make. It is filled as ``.NAME.partial`` beside, and gets its name once it is whole; what an
        earlier attempt left there is taken up.
    contents : Contents
        What goes in.
    copy : bool
        Copy the files; if not, they are hard links where that can be.
    style : Style
        How progress is shown.

    Returns
    -------
    BagReport
        Of the bundle, all its files as listed.

    Raises
    ------
    IncompleteError, CorruptError
        If the dataset is; visibilities are read through and compared with their checksums before they go in.
    DatasetError
        If the output exists, a file is missing or of another observation, or nothing can be written.
    """
    if output.exists() or output.is_symlink():
        raise DatasetError(f"{output} exists already; choose another name, or remove it")
    if output.resolve().is_relative_to(dataset.resolve()):
        raise DatasetError(f"{output} lies within {dataset}; make the bundle elsewhere")
    bands = _sound_bands(dataset, contents, style)
    payloads = list(_payloads(dataset, contents, bands))
    described = describe_dataset(dataset)
    n_bytes = sum(payload.source.stat().st_size for payload in payloads)
    partial = output.with_name(f".{output.name}.partial")
    _begin(partial)
    tags = {
        "bag-info.txt": _info(described, n_bytes, len(payloads)),
        "README.txt": _readme(described, contents),
    }
    with show_progress("bundling", n_bytes, style, "MB", 1e-6) as progress:
        fill_bag(partial, payloads, tags, copy, counted(progress.advance))
    partial.rename(output)
    return BagReport(output, len(payloads), n_bytes, (), (), ())


def check_bundle(folder: Path, style: Style) -> BagReport:
    """Compare every file of a bundle with its checksum; errors as `check_bag`."""
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder; a bundle is a folder that `dawnstream bundle -o` made")
    with show_progress("checking", bytes_of(folder), style, "MB", 1e-6) as progress:
        return check_bag(folder, counted(progress.advance))


def describe_bundle(report: BagReport) -> str:
    """Say what is in a bundle, and what is wrong, for people."""
    lines = [f"{report.path}: {report.n_files} files, {human_bytes(report.n_bytes)}"]
    for what in ("missing", "changed", "unlisted"):
        lines += [f"{what:<10}{name}" for name in getattr(report, what)]
    return "\n".join(lines if report.error else [f"{lines[0]}, all as listed"])


def _sound_bands(dataset: Path, contents: Contents, style: Style) -> list[str]:
    """Return the names of the bands to take; each was read through."""
    manifest = open_dataset(dataset).manifest
    missing = [entry.index for entry in manifest.bands if not entry.complete]
    if missing and not contents.incomplete:
        raise IncompleteError(
            f"{dataset}: {len(missing)} of {len(manifest.bands)} bands are not complete (the first is {missing[0]}); "
            "wait for the run, or bundle what there is with --incomplete"
        )
    if not contents.visibilities:
        return []
    with show_count("verifying", style) as count:
        report = verify_dataset(dataset, count)
    for band in report.bands:
        if band.error is not None and band.index not in missing:
            raise band.error
    return [entry.path for entry in manifest.bands if entry.complete]


def _payloads(dataset: Path, contents: Contents, bands: Sequence[str]) -> Iterator[Payload]:
    """Give all files of a bundle."""
    if not (contents.cubes or contents.others or contents.visibilities):
        raise DatasetError(f"{dataset}: nothing of its results is named; add --cube, --add or --with-visibilities")
    name = open_dataset(dataset).observation.get("name")
    for file in (OBSERVATION, MANIFEST):
        yield Payload(dataset / file, f"data/{file}")
    for cube in contents.cubes:
        _check_cube(cube, name)
        beside = [cube.with_name(f"{cube.stem}-{what}{cube.suffix}") for what in COMPANIONS]
        for path in (cube, *(path for path in beside if path.is_file())):
            yield Payload(path, f"data/images/{path.name}")
    for path in contents.others:
        if not path.is_file():
            raise DatasetError(f"{path}: there is no such file to --add")
        yield Payload(path, f"data/products/{path.name}")
    if contents.visibilities:
        folder = f"data/visibilities/{dataset.resolve().name}"
        inside = [dataset / OBSERVATION, dataset / MANIFEST]
        inside += [path for band in bands for path in sorted((dataset / band).rglob("*")) if path.is_file()]
        for path in inside:
            yield Payload(path, f"{folder}/{path.relative_to(dataset).as_posix()}")


def _check_cube(cube: Path, name: object) -> None:
    """Raise DatasetError unless it is a FITS file, and if it is one of ours, of the observation of this name."""
    from astropy.io import fits

    try:
        header = fits.getheader(cube)
    except OSError as error:
        raise DatasetError(
            f"{cube} is not a FITS cube that can be read ({error}); `dawnstream image` makes one"
        ) from None
    if str(header.get("ORIGIN", "")).startswith("dawnstream") and header.get("OBJECT") != name:
        raise DatasetError(
            f"{cube} is an image of {header.get('OBJECT')!r}, and the dataset is of {name!r}; name the dataset's own"
        )


def _begin(partial: Path) -> None:
    """Make the folder to fill; one that is there must be an attempt of ours."""
    try:
        partial.mkdir(parents=True, exist_ok=True)
        others = [path.name for path in partial.iterdir() if path.name not in (*TAG_FILES, "data")]
    except OSError as error:
        raise DatasetError(f"{partial}: the folder cannot be made ({error.strerror}); choose another place") from error
    if others:
        raise DatasetError(f"{partial} is not an unfinished bundle: it holds {others[0]}; move it away")


def _info(described: dict[str, Any], n_bytes: int, n_files: int) -> str:
    """Return bag-info.txt: labels and values, RFC 8493, section 2.2.2."""
    labels = {
        "Bag-Software-Agent": software(),
        "Bagging-Date": datetime.now(UTC).date().isoformat(),
        "External-Identifier": described["name"],
        "External-Description": f"Simulated visibilities and images of {described['name']}",
        "Payload-Oxum": f"{n_bytes}.{n_files}",
        "Dawnstream-Config-SHA256": described["config_sha256"],
        "Dawnstream-Bands-Complete": f"{described['bands_complete']} of {len(described['bands'])}",
    }
    return "".join(f"{label}: {' '.join(str(value).split())}\n" for label, value in labels.items())


_README = """\
{name}

Results of a simulated observation, made by {software} on {created}.

array           {array}
stations        {stations}, {baselines} baselines
start           {start} UTC, {dumps} dumps of {integration} s
frequencies     {first} to {last} MHz, {bands}

data/observation.yaml   what was observed: the whole configuration, defaults written out
data/manifest.json      the run: plan, bands, versions
data/images/            image cubes, FITS, and beside each its point-spread functions (-psf, -sampling)
data/products/          plots, films, tables, reports
data/visibilities/      {visibilities}

Every file is listed with its SHA-256. This says whether all are here and as they were sent:

    sha256sum -c manifest-sha256.txt tagmanifest-sha256.txt

So does `dawnstream bundle --check FOLDER`, or any tool for BagIt (RFC 8493). Files are plain: rsync, or S3 tools'
sync, take up a transfer where it ended.
"""


def _readme(described: dict[str, Any], contents: Contents) -> str:
    """Return the text that explains the bundle to who opens it."""
    mhz = [band["frequency_hz"] / 1e6 for band in described["bands"]]
    complete = f"{described['bands_complete']} of {len(mhz)} bands complete"
    there = "the dataset, ADIOS2; `dawnstream verify` compares its own checksums"
    unknown = {key: "unknown" for key in ("array", "start", "stations", "baselines", "dumps") if described[key] is None}
    return _README.format(
        **{**described, **unknown, "bands": complete},
        integration=described["integration_s"] or "unknown",
        first=f"{min(mhz):.6f}",
        last=f"{max(mhz):.6f}",
        visibilities=there if contents.visibilities else "left out",
    )
