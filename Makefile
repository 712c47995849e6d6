# Everything runs in .venv, which 'setup' makes; PYTHON=... chooses the Python, RANKS=... the ranks of the demo.
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-extras test-gpu lint bench bench-gpu adios2-mpi adios2-plain clean

PYTHON ?=
export PYTHON

BIN := .venv/bin
RANKS ?= $(shell scripts/ranks)
# Tests that run at once: most start a run, which takes a second of one core before anything is in parallel.
TEST_PROCESSES ?= 2
# A launcher gives ranks a terminal of their own, so they cannot tell what ours is: a bar on one, lines elsewhere.
PROGRESS = $$([ -t 2 ] && echo bar || echo lines)

help:  ## this list
	@echo "Dawnstream. 'make demo' shows what it does; 'make test' proves it."
	@echo
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

setup:  ## .venv with all that is needed (the other targets do this first)
	@scripts/setup

demo: setup  ## simulate the demo's piece of sky with the full SKA-Low array, and image it
	scripts/mpirun -n $(RANKS) $(BIN)/dawnstream run configs/demo.yaml --overwrite --progress $(PROGRESS)
	scripts/mpirun -n $(RANKS) $(BIN)/dawnstream image out/demo.dawn -o out/demo.fits --png out/demo.png --overwrite \
	  --progress $(PROGRESS)
	@echo
	@echo "The demo is done. Look at:"
	@echo "  out/demo.dawn   visibilities, one ADIOS2 output per band ($(BIN)/dawnstream info out/demo.dawn)"
	@echo "  out/demo.fits   image cube: right ascension, declination, frequency"
	@echo "  out/demo.png    a picture of it"

lint: setup  ## ruff, mypy, and the walls between the packages
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/python -m pytest -q tests/unit/test_walls.py

test: lint  ## lint, then every test: serial first, then under 1, 2, 3, 4 and 6 MPI ranks
	$(BIN)/python -m pytest -m "not mpi" -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder tests
	scripts/test-mpi 1 2 3 4 6

# What needs the extras beams, film and ptx, in an environment of its own, with the MPI of .venv.
EXTRAS_TESTS := tests/unit/test_stations_uvbeam.py tests/products/test_export_uvh5.py tests/products/test_film.py \
  tests/kernels/test_ptx_report_on_cuda.py tests/run/test_null_driver.py

test-extras: .venv/extras/.ready  ## tests that need pyuvdata, ffmpeg, or numba-cuda and a C compiler
	LD_LIBRARY_PATH=$(CURDIR)/.venv/lib .venv/extras/bin/python -m pytest $(EXTRAS_TESTS)

.venv/extras/.ready: pyproject.toml | setup
	@echo "set-up: pyuvdata, ffmpeg and NVIDIA's compiler in .venv/extras"
	@$(BIN)/python -m venv --clear .venv/extras
	@.venv/extras/bin/python -m pip install -q -e ".[dev,beams,film,ptx]"
	@touch $@

bench: .venv/bench/.ready  ## the numbers in the README, measured here
	@for script in benchmarks/*.py; do \
	  echo "== $$script"; \
	  MATVIS_PYTHON=.venv/bench/bin/python PYUVSIM_PYTHON=.venv/bench/bin/python $(BIN)/python "$$script" || exit 1; \
	done

# matvis and pyuvsim bring an older Numba (their pyuvdata wants < 0.63), so they have an environment of their own.
.venv/bench/.ready: pyproject.toml | setup
	@echo "set-up: matvis and pyuvsim, which the benchmarks compare with, in .venv/bench"
	@$(BIN)/python -m venv --clear .venv/bench
	@.venv/bench/bin/python -m pip install -q -e ".[bench,compare]"
	@touch $@

# On a GPU's machine: GPU_PYTHON=python3 where numba-cuda is not in .venv; nothing is set up.
GPU_PYTHON ?= $(BIN)/python
GPU_TESTS ?= tests/gpu $(wildcard tests/kernels/test_*cuda*.py) tests/kernels/test_device.py

test-gpu:  ## the tests on a GPU; one that is skipped for lack of a GPU has failed
	$(GPU_PYTHON) -m pytest --require-gpu --durations=10 $(GPU_TESTS)

bench-gpu:  ## measure every kernel on a GPU: benchmarks/results/DEVICE-DATE.md (under 8 minutes)
	$(GPU_PYTHON) benchmarks/gpu.py --require-gpu

adios2-mpi: setup  ## an MPI build of ADIOS2: bands written by several ranks at once
	@scripts/adios2 mpi

adios2-plain: setup  ## back to the plain wheel of ADIOS2
	@scripts/adios2 plain

clean:  ## remove .venv, caches and the demo's results
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache out/demo.dawn out/demo.fits out/demo.png
	find pipeline kernels tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
