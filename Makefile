# make live   see the camera (or a bundled scene) painted
# make test   everything the tests need, then all tests
# make check-long   the long tests (clusters, builds, trainings …), then a show of ten minutes with all its parts
# make lint   ruff and mypy
# make moving-picture   docs/pictures/live.webp, which the README shows
# make gpu-check   on a machine with an NVIDIA GPU: builds, runs, compares and measures the engines; then
#                  python -m tests.gpu.table gpu-check.json prints the table for docs/benchmarks.md
PYTHON ?= python3
VENV ?= .venv
# On a machine without an NVIDIA card the CPU build is enough; see docs/install.md.
TORCH ?= torch==2.13.0
BIN := $(VENV)/bin

.PHONY: live test check-long lint format moving-picture gpu-check clean

live: $(VENV)/.live
	$(BIN)/nst-live --style wreck

test: $(VENV)/.test
	$(BIN)/python -m pytest

check-long: $(VENV)/.test
	$(BIN)/python -m pytest -m long
	$(BIN)/python -m tests.soak --minutes 10

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

moving-picture: $(VENV)/.test
	$(BIN)/python -m tools.make_moving_picture

# GPU_PYTHON: a Python that has all it needs already, as on a machine without internet; nothing is installed then.
# TENSORRT=no: pass without TensorRT, where none can be had.
gpu-check: export NST_LIVE_ENGINES := $(CURDIR)/build/gpu-engines
gpu-check: $(if $(GPU_PYTHON),,$(VENV)/.gpu)
	status=0; \
	NST_REQUIRE=gpu$(if $(filter no,$(TENSORRT)),,,pycuda,tensorrt) $(or $(GPU_PYTHON),$(BIN)/python) -m pytest tests/gpu || status=1; \
	$(or $(GPU_PYTHON),$(BIN)/python) -m tests.gpu --json gpu-check.json \
		$(if $(filter no,$(TENSORRT)),--without-tensorrt) || status=$$?; \
	exit $$status

clean:
	rm -rf $(VENV) build *.egg-info

# Which TensorRT it needs depends on the card: TensorRT for RTX is there already, but knows no data-centre cards.
$(VENV)/.gpu: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[tensorrt]"
	touch $@

$(VENV)/.live: pyproject.toml tools/apt-packages.sh
	PYTHON=$(PYTHON) sh tools/apt-packages.sh live
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || \
		{ echo "nst-live needs Python 3.11 or newer; type: make live PYTHON=python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

# NVIDIA's builder and API, and Triton, are used by the tests without a GPU; --no-deps leaves out the libraries behind
# the API
$(VENV)/.test: $(VENV)/.live
	PYTHON=$(PYTHON) sh tools/apt-packages.sh test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$(TORCH)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[test]"
	[ "$$(uname -sm)" != "Linux x86_64" ] || { $(BIN)/python -m pip install --quiet --disable-pip-version-check \
		"tensorrt-rtx>=1.7" "triton>=3.3" && $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		"tensorrt-cu13-bindings>=11.4"; }
	touch $@
