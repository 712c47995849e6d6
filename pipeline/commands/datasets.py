"""What a dataset holds, and whether it is whole."""

from __future__ import annotations

from pipeline.commands.common import AsJson, DatasetPath, ProgressStyle, print_json


def info(dataset: DatasetPath, as_json: AsJson = False) -> None:
    """Say what a dataset holds."""
    from pipeline.dataset.verify import describe_dataset
    from pipeline.telemetry.describe import describe_info

    described = describe_dataset(dataset)
    print_json(described) if as_json else print(describe_info(described))


def verify(dataset: DatasetPath, progress: ProgressStyle = "auto", as_json: AsJson = False) -> None:
    """Read a dataset through, and compare every checksum, step and shape."""
    from pipeline.dataset.verify import verify_dataset
    from pipeline.telemetry.describe import describe_verification
    from pipeline.telemetry.progress import show_count

    with show_count("verifying", progress) as count:
        report = verify_dataset(dataset, count)
    print_json(report.as_dict()) if as_json else print(describe_verification(report))
    if report.first_error is not None:
        raise report.first_error
