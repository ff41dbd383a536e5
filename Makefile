# Two commands on a fresh machine: `make demo` and `make test`. Each sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?= ../shared/data
DEMO := runs/demo
CORPUS := tests/fixtures/demo

# pip is told where to find nothing else than what constraints.txt says.
export PIP_CONSTRAINT := constraints.txt
export HF_HUB_OFFLINE := 1
# Each of Ray's workers would compile our modules anew: a second of each.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup test lint bench demo clean

$(BIN)/raybel: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .[demo]
	@touch $@

$(VENV)/.dev: $(BIN)/raybel
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .[dev]
	@touch $@

setup: $(VENV)/.dev  ## Make the virtual environment with all that development needs

test: setup lint  ## Check style and types, run the tests (two files at a time: they wait more than they work)
	RAY_AUTH_MODE=disabled $(BIN)/python -m pytest -n 2 --dist loadfile

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup  ## Slow checks on the real corpora; results and commands: BENCHMARKS.md
	RAY_AUTH_MODE=disabled $(BIN)/python -m pytest -m bench
	$(BIN)/python tests/benchmarks/accuracy.py --data $(DATA)
	$(BIN)/python tests/benchmarks/abbreviation_precision.py $(DATA)
	$(BIN)/python tests/benchmarks/ngrams_search.py --data $(DATA)
	$(BIN)/python tests/benchmarks/umls_size.py --data $(DATA)
	$(BIN)/python tests/benchmarks/dense_accuracy.py --data $(DATA)
	$(BIN)/python tests/benchmarks/encoder_training.py --data $(DATA)
	$(BIN)/python tests/benchmarks/embed_throughput.py --data $(DATA)
	$(BIN)/python tests/benchmarks/embed_million.py --data $(DATA)
	$(BIN)/python tests/benchmarks/link_throughput.py --data $(DATA)
	$(BIN)/python tests/benchmarks/kill_and_resume.py --data $(DATA)
	$(BIN)/python tests/benchmarks/crossencoder_speed.py --data $(DATA)
	$(BIN)/python tests/benchmarks/crossencoder_accuracy.py --data $(DATA) --aliases --seeds 0 1
	$(BIN)/python tests/benchmarks/tuning.py --data $(DATA)
	$(BIN)/python tests/benchmarks/rerank_throughput.py --data $(DATA)

demo: $(BIN)/raybel  ## Prepare, train, link and evaluate a small corpus, and show linked text
	rm -rf $(DEMO)
	$(BIN)/raybel prepare ncbi-disease --ncbidisease-dir $(CORPUS) \
	    --ctd-medic-diseases $(CORPUS)/CTD_diseases.tsv --out-dir $(DEMO)/data
	$(BIN)/raybel train ngrams --train-corpus $(DEMO)/data/train.bioc.xml.gz \
	    --val-corpus $(DEMO)/data/val.bioc.xml.gz --ontology $(DEMO)/data/ontology.arrow --output-dir $(DEMO)/ngrams
	$(BIN)/raybel index dense --ontology $(DEMO)/data/ontology.arrow --train-corpus $(DEMO)/data/train.bioc.xml.gz \
	    --val-corpus $(DEMO)/data/val.bioc.xml.gz --model-name minilm --out-index $(DEMO)/dense
	$(BIN)/raybel train crossencoder --train-corpus $(DEMO)/data/train.bioc.xml.gz \
	    --val-corpus $(DEMO)/data/val.bioc.xml.gz --ontology $(DEMO)/data/ontology.arrow \
	    --ngrams-model $(DEMO)/ngrams --dense-index $(DEMO)/dense --model-name minilm --max-epochs 2 --output-dir $(DEMO)/tree
	$(BIN)/raybel link --in-corpus $(DEMO)/data/test.bioc.xml.gz --ontology $(DEMO)/data/ontology.arrow \
	    --ngrams-model $(DEMO)/ngrams --dense-index $(DEMO)/dense --reranker-model $(DEMO)/tree --top-k 5 \
	    --out-corpus $(DEMO)/run
	$(BIN)/raybel show $(DEMO)/run --documents 2
	$(BIN)/raybel evaluate --gold-corpus $(DEMO)/data/test.bioc.xml.gz --pred-corpus $(DEMO)/run \
	    --train-corpus $(DEMO)/data/train.bioc.xml.gz

clean:
	rm -rf $(VENV) runs build *.egg-info
