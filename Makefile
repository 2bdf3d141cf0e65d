# make demo   install into .venv and run the default study, offline, to results/report.html
# make test   install what the tests need and run them
# make test-slurm   run a small study on a real Slurm of one node (installed where this is Debian and you are root)
# make model  install and train one small network for `optimetal predict`, a part of the demo
# make benchmark   measure speed and memory against the plain path, into benchmarks/RESULTS.md
# make docs   build the documentation into site/
# make lint   check style and types        make format   put the code into the house's format
# make clean  remove results (not .venv)

PYTHON ?= python3
BIN := .venv/bin
export OMP_NUM_THREADS ?= 1

.PHONY: demo test test-slurm model benchmark docs lint format clean

demo: .venv/installed
	$(BIN)/snakemake
	$(BIN)/snakemake --report results/report.html
	@echo "The study is done: open results/report.html"

model: .venv/installed
	$(BIN)/snakemake results/models/2b_cgc

# without the shared setting: torch is to use all cores
benchmark: .venv/installed-dev
	env -u OMP_NUM_THREADS $(BIN)/python -m benchmarks

test: .venv/installed-dev
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder --ignore=tests/slurm

test-slurm: .venv/installed-dev
	$(BIN)/python tests/slurm/local_slurm.py --install
	$(BIN)/python -m pytest tests/slurm

docs: .venv/installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict -q

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/basedpyright

format: .venv/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

clean:
	rm -rf results logs .snakemake

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0])'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q -c constraints.txt -e .
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/pip install -q -c constraints.txt -e '.[dev]'
	touch $@
