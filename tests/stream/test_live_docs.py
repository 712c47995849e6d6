"""The examples of docs/live.md run, and its tables name what there is."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import dataset_samples as samples
import pytest
from live import Live, start, write

from pipeline import errors
from pipeline.config.output import StreamConfig
from pipeline.dataset.reader import Dataset

TEXT = (Path(__file__).parents[2] / "docs/live.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_examples_run(tmp_path, monkeypatch, capsys, number):
    monkeypatch.chdir(tmp_path)
    code = EXAMPLES[number].replace("3000.0", "9e6")  # the sample's stations are far apart
    path = tmp_path / "NAME.dawn"
    if "live=True" not in code:
        samples.make(path, n_bands=2)
        exec(compile(code, "docs/live.md", "exec"), {})
        assert capsys.readouterr().out
        return
    start(path)
    with Live(path) as live:
        thread = threading.Thread(target=stream, args=(live,))
        thread.start()
        exec(compile(code, "docs/live.md", "exec"), {})
        thread.join()
    assert capsys.readouterr().out == "[0 1 2]\n[3 4 5]\n[6]\ndid not come: ()\n"


def stream(live):
    writer = live.band(readers=1)
    for block in samples.blocks(samples.header()):
        write(writer, block)
    writer.close()
    writer.finish()


def rows(heading_row):
    """Return the first cells of the table with this row of headings."""
    lines = TEXT.split(heading_row + "\n")[1].splitlines()[1:]
    return [line.split("|")[1].strip() for line in lines[: lines.index("")]]


def test_tables_name_what_there_is():
    options = set(Dataset.band.__kwdefaults__)
    assert {row.strip("`") for row in rows("| option of `band` | what it chooses | default |")} == options
    keys = {field.alias or name for name, field in StreamConfig.model_fields.items()} - {"engine"}
    assert {row.strip("`") for row in rows("| key | what it does |")} == keys
    for name in set(re.findall(r"\b[A-Z][A-Za-z]+Error\b", TEXT)):
        assert issubclass(getattr(errors, name), errors.DatasetError), name
    assert f"exit code {errors.DatasetError.exit_code}" in TEXT
    for name, field in StreamConfig.model_fields.items():
        if name not in ("patience_s", "files"):
            assert f"{name}: {field.default}" in TEXT
