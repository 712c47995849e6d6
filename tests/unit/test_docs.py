"""What the documents say exists: configurations load, commands and options are there, links lead somewhere."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import typer.main
import yaml

from pipeline import errors
from pipeline.cli import app
from pipeline.config.base import Model
from pipeline.config.file import load_config
from pipeline.config.observation import Config
from pipeline.costs.machine import default_machine
from pipeline.costs.observed import task_of
from pipeline.costs.runtime import run_time
from pipeline.inputs import load_inputs
from pipeline.plan import make_plan
from pipeline.telemetry.describe import describe_plan
from pipeline.units import UNITS

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/guide.md").read_text(encoding="utf-8")
#: The pages that say what may stand in a configuration.
REFERENCE = [f"docs/{name}.md" for name in ("guide", "stations", "sky", "diffuse", "instrument", "power-spectrum")]
DOCUMENTS = sorted(
    path
    for folder in (".", "docs", "jobs", "configs", "tests", "benchmarks")
    for path in (ROOT / folder).glob("*.md" if folder == "." else "**/*.md")
)
IDS = [path.relative_to(ROOT).as_posix() for path in DOCUMENTS]

FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?:^|\n)\n((?:    .*\n)+)")
INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def code_blocks(text: str) -> Iterator[tuple[str, str]]:
    """Give (language, code) of every block; indented ones have no language."""
    yield from FENCED.findall(text)
    for block in INDENTED.findall(FENCED.sub("", text)):
        yield "", block


def commands(code: str) -> Iterator[list[str]]:
    """Give the words behind every `dawnstream` that starts a command or follows a launcher's options."""
    for line in code.replace("\\\n", " ").splitlines():
        match = re.match(r"\s*(?:\S*mpirun -n \d+ )?(?:\S*/)?dawnstream(\s.*|)$", line)
        if match:
            words = shlex.split(re.split(r"[|>;]|&&", match.group(1))[0], comments=True)
            yield words


def without_code(text: str) -> str:
    """Return the prose alone."""
    return INLINE.sub("", FENCED.sub("", text))


def anchors(text: str) -> set[str]:
    """Give the anchors of the headings, as forges make them."""
    titles = re.findall(r"^#+ (.+)$", FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def command_named(name: str) -> Any:
    """Return a command of the command line; it must be there."""
    there = typer.main.get_command(app).commands
    assert name in there, f"there is no command {name!r}"
    return there[name]


def parse(words: list[str]) -> None:
    """Have the command line parse a command, without running it."""
    if not words or words[0] == "--help":
        return
    command = command_named(words[0])
    if words[1:] != ["--help"]:
        command.make_context(words[0], words[1:])


def check_options(words: list[str]) -> None:
    """Check a mention of a command: it exists, and so do its options."""
    if not words or words[0].startswith("-"):
        return
    command = command_named(words[0])
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    assert {word for word in words[1:] if word.startswith("-")} <= known


@pytest.fixture
def folder(tmp_path):
    """Make a folder from which the examples find what lies beside configs/*.yaml."""
    for name in ("skies", "telescopes"):
        shutil.copytree(ROOT / "configs" / name, tmp_path / name)
    return tmp_path


def stand_in(folder: Path, sections: Any) -> bool:
    """Make empty files for those that an example of your own data names; say whether there are any."""
    if isinstance(sections, dict | list):
        inner = sections.values() if isinstance(sections, dict) else sections
        return sum(stand_in(folder, value) for value in inner) > 0
    path = folder / str(sections)
    if not re.fullmatch(r"\w+/[\w-]+\.\w+", str(sections)) or path.exists():
        return False
    path.parent.mkdir(exist_ok=True)
    path.touch()
    return True


def yaml_examples() -> Iterator[pytest.param]:
    """Give every YAML example of the guide and the README; a fragment replaces sections of the guide's first."""
    whole = next(code for language, code in code_blocks(GUIDE) if language == "yaml")
    for document in (*REFERENCE, "README.md"):
        path = ROOT / document
        blocks = code_blocks(path.read_text(encoding="utf-8")) if path.exists() else []
        for number, code in enumerate(code for language, code in blocks if language == "yaml"):
            yield pytest.param(whole, code, id=f"{document}-{number}")


@pytest.mark.parametrize(("whole", "example"), list(yaml_examples()))
def test_yaml_examples_load(folder, whole, example):
    # Scalars as text, as the configuration's own loader leaves dates.
    sections = yaml.load(example, yaml.BaseLoader)
    is_empty = stand_in(folder, sections)
    if "name" not in sections:
        if "array" not in sections.get("telescope", {"array": ""}):
            example = re.sub(r"^telescope:$", "telescope:\n  array: ska-low-aa1", example, flags=re.MULTILINE)
        kept = "".join(
            section
            for section in re.split(r"^(?=\w)", whole, flags=re.MULTILINE)
            if section.partition(":")[0] not in sections
        )
        example = f"{kept}\n{example}"
    path = folder / "example.yaml"
    path.write_text(example, encoding="utf-8")
    config = load_config(path)
    if not is_empty:
        inputs = load_inputs(config)
        assert inputs.sky.n_sources > 0
        assert len(inputs.baselines) > 0


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_commands_exist(document):
    text = document.read_text(encoding="utf-8")
    for _, code in code_blocks(text):
        for words in commands(code):
            parse(words)
    for mention in INLINE.findall(FENCED.sub("", text)):
        for words in commands(mention):
            check_options(words)


def test_commands_are_found_at_all():
    found = [words[0] for _, code in code_blocks(GUIDE) for words in commands(code) if words]
    assert {"check", "plan", "run", "verify", "image", "info", "schema"} <= set(found)


@pytest.mark.parametrize(
    "line",
    [
        "dawnstream pla configs/demo.yaml",
        "dawnstream plan configs/demo.yaml --rank 2",
        "scripts/mpirun -n 2 .venv/bin/dawnstream run",
        "mpirun -n 2 dawnstream run a.yaml --progress fancy",
    ],
)
def test_a_wrong_command_is_seen(line):
    words = list(commands(line))
    assert len(words) == 1
    with pytest.raises(Exception, match=r"(?i)no command|no such option|missing|fancy"):
        parse(words[0])


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_links_resolve(document):
    for target in LINK.findall(without_code(document.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (document.parent / name).resolve() if name else document
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path.read_text(encoding="utf-8")), target


def models_within(annotation: Any) -> Iterator[type[Model]]:
    """Give every model that a field may hold, through unions, tuples and annotations."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
    for inner in get_args(annotation):
        yield from models_within(inner)


def all_keys(model: type[Model]) -> Iterator[str]:
    """Give the keys of a model and of all that it may hold."""
    for name, field in model.model_fields.items():
        yield field.alias or name
        for inner in models_within(field.annotation):
            yield from all_keys(inner)


def test_the_documents_name_every_key():
    text = "".join((ROOT / page).read_text(encoding="utf-8") for page in REFERENCE)
    # A key may be named with its section, such as `time.start`, or as `{fraction, seed}`.
    named = {word for mention in INLINE.findall(FENCED.sub("", text)) for word in re.findall(r"\w+", mention)}
    found = set(all_keys(Config))
    assert {"smearing", "diameter", "position_angle", "lightcone", "drift", "robust"} <= found
    assert found - named == set()


def test_the_guide_names_every_unit():
    assert {unit for units in UNITS.values() for unit in units} <= set(re.findall(r"`([\w/]+)`", GUIDE))


def test_the_guide_explains_every_line_of_the_plan():
    config = load_config(ROOT / "configs/demo.yaml")
    inputs = load_inputs(config)
    plan, machine = make_plan(config, inputs.sizes, 12, 6, 1), default_machine("cpu")
    time = run_time(plan, task_of(config, inputs, plan), machine, "mixed", 1)
    shown = describe_plan(config, inputs, plan, time)
    labels = [re.split(r"\s{2,}", line)[0] for line in shown.split("\n\n")[0].splitlines() if line[0] != " "]
    example = next(code for language, code in code_blocks(GUIDE) if language == "text")
    assert [re.split(r"\s{2,}", line)[0] for line in example.split("\n\n")[0].splitlines() if line[0] != " "] == labels
    for label in labels:
        assert f"| {label} |" in GUIDE
    # The others follow the program's buffers, the demo's image and a machine's figures, and may be of another day.
    changing = ("memory", "decorrelation", "time", "of a rank", "most in", "assumed")
    same = [label for label in labels if label not in changing]
    for line in shown.splitlines():
        if line.split("  ")[0] in same:
            assert line in example


def test_the_guide_names_every_exit_code():
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    codes = {str(value.exit_code) for value in classes if issubclass(value, errors.DawnstreamError)}
    table = GUIDE[GUIDE.index("| exit code |") :]
    named = {code for cell in re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE) for code in cell.split(", ")}
    assert named == codes | {"0", "1", "2"}


def test_the_guide_names_every_array():
    from pipeline.observation.telescope import NAMED_ARRAYS

    assert [name for name in NAMED_ARRAYS if f"`{name}`" not in GUIDE] == []
