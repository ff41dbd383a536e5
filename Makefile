# Two commands on a fresh machine: `make demo` and `make test`. Each sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?= ../shared/data
# Errors are shown, and no warnings. Modules are compiled when they are first imported: all of them would take a minute.
PIP_INSTALL := $(BIN)/pip install -qq --no-compile --disable-pip-version-check

# pip is told where to find nothing else than what constraints.txt says.
export PIP_CONSTRAINT := constraints.txt
export HF_HUB_OFFLINE := 1
# Each of Ray's workers would compile our modules anew: a second of each.
unexport PYTHONDONTWRITEBYTECODE

.NOTPARALLEL:  # they share one virtual environment
.PHONY: setup test style lint bench demo clean

$(BIN)/raybel: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) --editable .[demo]
	@touch $@

# Not by way of the demo's, all of which `dev` includes: pip would work out twice what is needed.
$(VENV)/.dev: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) --editable .[dev]
	@touch $(BIN)/raybel $@

setup: $(VENV)/.dev  ## Make the virtual environment with all that development needs

test: setup style  ## Check style, run the tests, types among them (two files at a time, for two cores)
	RAY_AUTH_MODE=disabled $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations 15

style: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

lint: style  ## Check style and types
	$(BIN)/mypy

bench: setup  ## Slow checks on the real corpora; results and commands: BENCHMARKS.md
	RAY_AUTH_MODE=disabled $(BIN)/python -m pytest -m bench
	RAY_AUTH_MODE=disabled $(BIN)/python -m pytest -n 2 --dist loadfile --hypothesis-profile thorough
	$(BIN)/python tests/benchmarks/accuracy.py --data $(DATA)
	$(BIN)/python tests/benchmarks/abbreviation_precision.py $(DATA)
	$(BIN)/python tests/benchmarks/ngrams_search.py --data $(DATA)
	$(BIN)/python tests/benchmarks/umls_size.py --data $(DATA)
	$(BIN)/python tests/benchmarks/candidate_recall.py --data $(DATA)
	$(BIN)/python tests/benchmarks/typography.py --data $(DATA)
	$(BIN)/python tests/benchmarks/detection_dictionary.py --data $(DATA)
	$(BIN)/python tests/benchmarks/detection_classifier.py --data $(DATA)
	$(BIN)/python tests/benchmarks/end_to_end.py --data $(DATA)
	$(BIN)/python tests/benchmarks/read_pubmed.py
	$(BIN)/python tests/benchmarks/archive_resume.py
	$(BIN)/python tests/benchmarks/pubmed_scale.py --data $(DATA) --packagings
	$(BIN)/python tests/benchmarks/ontology_sources.py --data $(DATA) --umls
	$(BIN)/python tests/benchmarks/encoder_training.py --data $(DATA)
	$(BIN)/python tests/benchmarks/embed_throughput.py --data $(DATA)
	$(BIN)/python tests/benchmarks/embed_million.py --data $(DATA)
	$(BIN)/python tests/benchmarks/link_throughput.py --data $(DATA)
	$(BIN)/python tests/benchmarks/kill_and_resume.py --data $(DATA)
	$(BIN)/python tests/benchmarks/elastic.py --data $(DATA)
	$(BIN)/python tests/benchmarks/frozen_node.py --timeout 5000 --threshold 3
	$(BIN)/python tests/benchmarks/random_faults.py
	$(BIN)/python tests/benchmarks/many_shards.py
	$(BIN)/python tests/benchmarks/crossencoder_speed.py --data $(DATA)
	$(BIN)/python tests/benchmarks/crossencoder_accuracy.py --data $(DATA) --aliases --seeds 0 1
	$(BIN)/python tests/benchmarks/tuning.py --data $(DATA)
	$(BIN)/python tests/benchmarks/rerank_throughput.py --data $(DATA)

demo: $(BIN)/raybel  ## Prepare, train, link and evaluate a small corpus; show linked text and what each stage adds
	RAY_AUTH_MODE=disabled $(BIN)/python tests/demo.py

clean:
	rm -rf $(VENV) runs build *.egg-info
