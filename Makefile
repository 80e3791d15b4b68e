# Everything sets itself up: each target makes .venv and installs into it when it has to, and only then.
PYTHON ?= python3
PROMPT ?= a red apple on a blue background
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt

# PyPI's torch for Linux brings CUDA, 4 GB of it. Where there is no GPU it is taken from PyTorch's own index, without.
# TORCH_INDEX= takes PyPI's all the same; TORCH_INDEX=https://download.pytorch.org/whl/rocm6.4 is for AMD's GPUs.
GPUS := $(wildcard /dev/nvidiactl /dev/dxg /dev/kfd)
TORCH_INDEX ?= $(if $(filter Linux,$(shell uname -s)),$(if $(GPUS),,https://download.pytorch.org/whl/cpu))

QUICK := not gpu and not weights and not slow and not long and not compile
CHECKER := beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))

# Python compiles each module once and keeps it, even where the environment says otherwise: it would compile torch
# and what else is imported again in each of the processes that tests start.
export PYTHONDONTWRITEBYTECODE :=

# Where the command is, as long as the virtual environment is not activated.
HERE := $(if $(filter $(abspath .venv),$(abspath $(VIRTUAL_ENV))),,$(BIN)/)

# As it was typed: make would read a dollar sign as the beginning of a variable's name.
override PROMPT := $(value PROMPT)
export PROMPT

.PHONY: image ui test shapes test-long test-slow check benchmark docs wheel clean

image: .venv/installed ## draw PROMPT with the default model
	@$(BIN)/limelight generate -- "$$PROMPT"
	@echo
	@echo 'Next:'
	@echo '  $(HERE)limelight "two yellow stars"    another picture'
	@echo '  $(HERE)limelight vocabulary            the words that the default model knows'
	@echo '  $(HERE)limelight ui                    the page, where words light up'

ui: .venv/installed ## open the page in which words light up
	@$(BIN)/limelight ui

test: .venv/installed-dev ## all tests but the long and slow ones and those that need a GPU or real weights; browsers are timed, so alone
	@scripts/install_chromium.sh
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile -m "$(QUICK) and not browser"
	$(BIN)/python -m pytest -q -m "$(QUICK) and browser" tests/app

# An int is a float, as type checkers have it (PEP 484). The tests left out hold no tensor annotations to check
# and take most of the time, or give requests the lists that JSON has in place of tuples.
shapes: .venv/installed-dev ## the tests of tensors again, with every annotation checked when a function is called
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile -m "$(QUICK) and not browser" \
		--jaxtyping-packages='limelight,$(CHECKER)' tests/attention tests/unet/config tests/unet/weights tests/unet/test_parity.py tests/unet/fast tests/pipeline/maps tests/pipeline/latents \
		--ignore tests/unet/fast/test_fast_unet.py \
		--deselect tests/pipeline/maps/test_views.py::test_the_names_of_recordings_are_checked \
		--deselect tests/pipeline/maps/test_views.py::test_a_request_with_points_comes_back_from_json \
		--ignore tests/attention/test_triton.py --deselect tests/attention/caches/test_pager.py::test_100_000_random_steps_leak_nothing \
		--deselect tests/attention/test_runtime.py::test_a_bad_call_is_refused_after_a_good_one

test-long: .venv/installed-dev ## tests that train, compile, or take seconds in other ways
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile -m "(long or compile) and not gpu and not weights and not slow"

test-slow: .venv/installed-dev ## the slow tests: full-size models
	$(BIN)/python -m pytest -q -m slow

check: .venv/installed-dev ## format, lint, types, import contract
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/biome check app/ui/static

benchmark: .venv/installed-dev ## Limelight compared with diffusers, in a few minutes, into build/benchmark.md
	$(BIN)/python -m scripts.benchmark --quick -o build/benchmark.md

docs: .venv/installed-dev ## the API reference, from docstrings, into build/reference/
	$(BIN)/python -m scripts.build_reference build/reference

wheel: .venv/installed-dev ## the wheel, into dist/
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .

clean:
	rm -rf .venv build dist *.egg-info

define TORCH
@test -z "$(TORCH_INDEX)" || $(PIP) --retries 1 --timeout 15 --index-url $(TORCH_INDEX) torch 2>/dev/null || \
	echo "torch cannot be had from $(TORCH_INDEX); taking PyPI's, which is larger" >&2
endef

.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Limelight needs Python 3.11 or newer; set PYTHON=... (found $$($(PYTHON) --version))" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; scripts/install_venv.sh && $(PYTHON) -m venv .venv; }

.venv/installed: pyproject.toml constraints.txt | .venv/bin/pip
	@echo "Installing Limelight into .venv (once; a few minutes)" >&2
	$(TORCH)
	@$(PIP) -e .
	@touch $@

.venv/installed-dev: pyproject.toml constraints.txt | .venv/bin/pip
	@echo "Installing Limelight with its development tools into .venv (once; a few minutes)" >&2
	$(TORCH)
	@$(PIP) -e '.[dev]'
	@touch $@ .venv/installed
