"""The command line: parse, call, print; nothing else."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, TypeVar

import typer

from pipeline.errors import DawnstreamError
from pipeline.telemetry.progress import Style
from pipeline.units import parse_quantity
from pipeline.version import software

T = TypeVar("T")


def _angle(text: str) -> float:
    """Read an angle, for an option."""
    try:
        return parse_quantity(text, "angle", "deg")
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


app = typer.Typer(
    name="dawnstream",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="What the correlator of a telescope like SKA-Low would put out: visibilities, channel by channel, "
    "averaged over MPI, written with ADIOS2, imaged into a cube.\n\n"
    "Begin with a configuration: `dawnstream plan configs/demo.yaml` says what a run would cost, "
    "`mpirun -n 2 dawnstream run configs/demo.yaml` makes the dataset, "
    "`dawnstream image out/demo.dawn -o out/demo.fits` images it.",
)

ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="The observation, a YAML file.")]
DatasetPath = Annotated[Path, typer.Argument(metavar="DATASET", help="A dataset, a folder NAME.dawn.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print for machines.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
RanksPerNode = Annotated[
    int | None,
    typer.Option("--ranks-per-node", min=1, help="Divide the ranks into nodes of so many; default: the real ones."),
]
ProgressStyle = Annotated[
    Style, typer.Option("--progress", help="A bar, lines or nothing; auto is a bar on a terminal of its own.")
]


def _print_version(asked: bool) -> None:
    if asked:
        print(software())
        raise typer.Exit


@app.callback()
def dawnstream(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """Hold what all commands share."""


@app.command()
def plan(
    config: ConfigPath,
    ranks: Annotated[int, typer.Option("--ranks", min=1, help="MPI ranks, one per GPU.")] = 1,
    ranks_per_node: Annotated[
        int | None, typer.Option("--ranks-per-node", min=1, help="Ranks on a node; default: all on one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a run would do, hold and write, without doing it."""
    from pipeline.config.file import load_config
    from pipeline.inputs import load_inputs
    from pipeline.plan import make_plan
    from pipeline.telemetry.describe import describe_plan, ownership

    loaded = load_config(config)
    inputs = load_inputs(loaded)
    made = make_plan(loaded, inputs.sizes, ranks, ranks_per_node or ranks)
    if as_json:
        _print_json({**made.as_dict(), "notes": inputs.notes, "ownership": ownership(made)})
    else:
        print(describe_plan(loaded, inputs, made))


@app.command()
def check(config: ConfigPath) -> None:
    """Check everything of a configuration that can be checked without running it."""
    from pipeline.check import check_observation
    from pipeline.config.file import load_config
    from pipeline.inputs import load_inputs
    from pipeline.plan import make_plan

    loaded = load_config(config)
    inputs = load_inputs(loaded)
    notes = check_observation(loaded, inputs, make_plan(loaded, inputs.sizes, n_ranks=1, ranks_per_node=1))
    for note in (*inputs.notes, *notes):
        print(note)
    print(f"{config}: good")


@app.command()
def run(
    config: ConfigPath,
    overwrite: Overwrite = False,
    ranks_per_node: RanksPerNode = None,
    progress: ProgressStyle = "auto",
    as_json: AsJson = False,
) -> None:
    """Make the dataset of an observation: `mpirun -n N dawnstream run CONFIG`."""
    from pipeline.parallel.topology import World, together
    from pipeline.prediction.predictor import warm_up
    from pipeline.prepare import prepare
    from pipeline.run import run as run_observation
    from pipeline.telemetry.describe import describe_report

    with World(ranks_per_node) as world:

        def work() -> None:
            prepared = prepare(config, world)
            if world.rank == 0:
                _say(*prepared.inputs.notes, prepared.device.describe())
            seconds = together(world.comm, lambda: warm_up(prepared))
            if world.rank == 0:
                _say(f"kernels ready after {seconds:.1f} s")
            report = run_observation(prepared, world, overwrite, progress)
            if world.rank == 0 and as_json:
                _print_json({"dataset": str(prepared.config.output.path), **report.as_dict()})
            elif world.rank == 0:
                print(describe_report(report, prepared.config.output.path))

        _on_all_ranks(world.rank, work)


@app.command()
def info(dataset: DatasetPath, as_json: AsJson = False) -> None:
    """Say what a dataset holds."""
    from pipeline.dataset.verify import describe_dataset
    from pipeline.telemetry.describe import describe_info

    described = describe_dataset(dataset)
    _print_json(described) if as_json else print(describe_info(described))


@app.command()
def verify(dataset: DatasetPath, progress: ProgressStyle = "auto", as_json: AsJson = False) -> None:
    """Read a dataset through, and compare every checksum, step and shape."""
    from pipeline.dataset.verify import verify_dataset
    from pipeline.telemetry.describe import describe_verification
    from pipeline.telemetry.progress import show_count

    with show_count("verifying", progress) as count:
        report = verify_dataset(dataset, count)
    _print_json(report.as_dict()) if as_json else print(describe_verification(report))
    if report.first_error is not None:
        raise report.first_error


@app.command()
def image(
    dataset: DatasetPath,
    output: Annotated[Path, typer.Option("-o", "--output", help="The cube, a FITS file.")],
    png: Annotated[Path | None, typer.Option("--png", help="Draw a plane, too.")] = None,
    plane: Annotated[int, typer.Option("--plane", min=0, help="Which band to draw.")] = 0,
    stokes: Annotated[str, typer.Option("--stokes", help="One or several of IQUV.")] = "I",
    overwrite: Overwrite = False,
    progress: ProgressStyle = "auto",
    as_json: AsJson = False,
) -> None:
    """Image every band of a dataset into one FITS cube: `[mpirun -n N] dawnstream image DATASET -o CUBE`."""
    from pipeline.parallel.topology import World
    from pipeline.products.make import make_images
    from pipeline.products.png import png_plane
    from pipeline.telemetry.describe import describe_images, images_as_dict

    with World() as world:

        def work() -> None:
            report = make_images(dataset, output, stokes, world, overwrite, progress)
            if world.rank > 0:
                return
            if png is not None:
                png_plane(output, plane, png, stokes[0])
            _print_json(images_as_dict(report)) if as_json else print(describe_images(report, png))

        _on_all_ranks(world.rank, work)


@app.command("power-spectrum")
def power_spectrum(
    cubes: Annotated[list[Path], typer.Argument(metavar="CUBE [CUBE]", help="One image cube; two: cross-power.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="A table, ECSV.")] = None,
    png: Annotated[Path | None, typer.Option("--png", help="Draw it, too.")] = None,
    true: Annotated[
        Path | None, typer.Option("--true", help="A table of k (1/Mpc) and Delta^2 (mK^2) to compare with.")
    ] = None,
    field: Annotated[
        float | None, typer.Option("--field", parser=_angle, help="Width of the sky; default: half of the image.")
    ] = None,
    beam: Annotated[
        float | None, typer.Option("--beam", parser=_angle, help="FWHM of the stations' power beam, a Gaussian.")
    ] = None,
    taper: Annotated[
        Literal["none", "hann", "blackman-harris"], typer.Option("--taper", help="Along the line of sight.")
    ] = "none",
    bins: Annotated[int, typer.Option("--bins", help="Bins of k, even in its logarithm.")] = 10,
    k_range: Annotated[
        tuple[float, float] | None, typer.Option("--k-range", help="Smallest and largest k, 1/Mpc.")
    ] = None,
    max_par: Annotated[
        float, typer.Option("--max-par", help="Largest k_par, in units of pi / depth of a plane.")
    ] = 0.5,
    max_loss: Annotated[
        float, typer.Option("--max-loss", help="Error of a random sky's power up to which a mode is kept.")
    ] = 0.01,
    wedge: Annotated[
        float | None, typer.Option("--wedge", parser=_angle, help="Leave out foregrounds' wedge up to this angle.")
    ] = None,
    wedge_margin: Annotated[float, typer.Option("--wedge-margin", help="And so much above it, 1/Mpc.")] = 0.0,
    cosmology: Annotated[str, typer.Option("--cosmology", help="As astropy names it.")] = "Planck18",
    overwrite: Overwrite = False,
    progress: ProgressStyle = "auto",
    as_json: AsJson = False,
) -> None:
    """Measure the power spectrum of the 21 cm line in an image cube."""
    from pipeline.products.power_spectrum import PowerSettings
    from pipeline.products.power_spectrum_command import measure_and_write, named_cosmology
    from pipeline.products.power_spectrum_table import as_dict, describe

    settings = PowerSettings(
        field_rad=field,
        beam_fwhm_rad=beam,
        taper=taper,
        n_bins=bins,
        k_range_per_mpc=k_range,
        max_par=max_par,
        max_loss=max_loss,
        wedge_rad=wedge,
        wedge_margin_per_mpc=wedge_margin,
        cosmology=named_cosmology(cosmology),
    )
    measured, truth = measure_and_write(cubes, settings, true, output, png, overwrite, progress)
    _print_json(as_dict(measured, truth)) if as_json else print(describe(measured, truth))


@app.command()
def schema() -> None:
    """Print the JSON Schema of a configuration, for editors that complete and check YAML."""
    from pipeline.config.file import json_schema

    print(json_schema())


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2))


def _say(*lines: str) -> None:
    for line in lines:
        print(line, file=sys.stderr, flush=True)


def _fail(error: DawnstreamError) -> NoReturn:
    _say(f"dawnstream: {error}")
    raise SystemExit(error.exit_code)


def _on_all_ranks(rank: int, work: Callable[[], T]) -> T:
    """Do what fails on every rank alike, and let the first rank alone say why."""
    try:
        return work()
    except DawnstreamError as error:
        if rank == 0:
            _fail(error)
        raise SystemExit(error.exit_code) from None


def main() -> None:
    """Run the command line; end with the exit code of the error, if there is one."""
    try:
        app()
    except DawnstreamError as error:
        _fail(error)
