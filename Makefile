# The only commands anyone has to know. `make run` and `make test` work on a fresh machine.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
# Only wheels, and only those whose hashes are in the lock: nothing that is fetched runs while it is
# installed, and nobody can put another file in its place.
PIP_INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check
LOCKED := --require-hashes --only-binary :all:
SOURCES := rookery bench tests tools main.py

.PHONY: help install install-dev lock swagger-ui services run test test-servers test-loads test-integration test-contract test-properties test-nodes test-unit chaos chaos-single chaos-cluster strangers check format tlds bench clean

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(VENV)/.installed: pyproject.toml locks/run.txt
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is needed; set PYTHON=… to another 3.11 to 3.13"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) $(LOCKED) -r locks/run.txt
	$(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed locks/dev.txt
	$(PIP_INSTALL) $(LOCKED) -r locks/dev.txt
	@touch $@

install: $(VENV)/.installed ## Install into .venv what running needs

install-dev: $(VENV)/.installed-dev ## Install what tests, checks and benchmarks need as well

# A version that pyproject.toml still allows stays as it is; UPGRADE=--upgrade takes the newest ones,
# UPGRADE="--upgrade-package ray" that of one package.
LOCK := $(BIN)/uv pip compile pyproject.toml --extra build --universal --python-version 3.11 \
	--generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links --quiet

lock: install-dev ## Write locks/: the version and the hashes of everything that is installed (UPGRADE=…)
	$(LOCK) $(UPGRADE) -o locks/run.txt
	$(LOCK) $(UPGRADE) --extra dev -c locks/run.txt -o locks/dev.txt

swagger-ui: ## Fetch the files of the API's page again (rookery/http/native/swagger_ui/VERSION says which)
	sh rookery/http/native/swagger_ui/renew.sh

# mongod comes with a Python package (install-dev); of what Debian has, it needs libcurl4.
services: ## Install what tests use beside the server, where it is missing: redis-server, nginx (Debian's)
	@missing=; for each in redis-server nginx; do \
		PATH="$$PATH:/usr/sbin" command -v $$each >/dev/null || missing="$$missing $$each"; \
	done; \
	PATH="$$PATH:/sbin"; ! command -v ldconfig >/dev/null || ldconfig -p | grep -q 'libcurl\.so\.4 ' \
		|| missing="$$missing libcurl4"; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	if ! command -v apt-get >/dev/null || { [ -n "$$sudo" ] && ! command -v sudo >/dev/null; }; then \
		echo "missing:$$missing; cannot be installed from here (apt-get, as root or by sudo):" \
			"install Redis 6.2 and nginx 1.22 or later, and put them into PATH"; exit 1; \
	fi; \
	echo "installing$$missing"; \
	$$sudo apt-get update -q && $$sudo env DEBIAN_FRONTEND=noninteractive \
		apt-get install -q -y --no-install-recommends $$missing \
	|| { echo "apt-get could not install$$missing (see above); install Redis 6.2 and nginx 1.22 or" \
		"later yourself, and put them into PATH"; exit 1; }

run: install ## Install, and start the server on its embedded defaults
	@$(BIN)/rookery serve

test: install-dev services ## Install what tests need, and run them all
	$(BIN)/python -m pytest tests/unit -n 2 $(PYTEST_ARGS)
	@$(MAKE) --no-print-directory --jobs=3 --output-sync=target $(PARTS)
	$(BIN)/python -m pytest tests/strangers $(PYTEST_ARGS)

# They mostly wait for processes and disks; what they print comes when each is done. The longest
# come first.
PARTS := test-servers test-loads test-integration test-contract test-properties
LOADS := $(addprefix tests/integration/,test_bench.py test_bench_capacity.py test_bench_nchan.py test_locust.py)

test-servers:
	$(BIN)/python -m pytest tests/integration/server $(PYTEST_ARGS)
	$(BIN)/python -m pytest tests/cluster -m "not slow" $(PYTEST_ARGS)

test-loads:
	$(BIN)/python -m pytest tests/chaos $(LOADS) $(PYTEST_ARGS)

test-integration:
	$(BIN)/python -m pytest tests/integration --ignore=tests/integration/server \
		$(LOADS:%=--ignore=%) $(PYTEST_ARGS)

test-contract:
	$(BIN)/python -m pytest tests/contract $(PYTEST_ARGS)

# What unit tests try with few examples.
test-properties:
	HYPOTHESIS_PROFILE=thorough $(BIN)/python -m pytest tests/unit -m hypothesis $(PYTEST_ARGS)

test-nodes: install-dev services ## Nodes that join, die and are restarted under load (minutes; run it alone)
	$(BIN)/python -m pytest tests/cluster -m slow $(PYTEST_ARGS)

test-unit: install-dev ## Only the unit tests (seconds)
	$(BIN)/python -m pytest tests/unit -n 2 $(PYTEST_ARGS)

chaos: chaos-single chaos-cluster ## Kill, pause and starve a server by 25 schedules, and check it (30 minutes)

chaos-single: install-dev ## The 20 schedules on one machine, Ray and SQLite
	$(BIN)/python -m tests.chaos.run --seeds 1-20 --json $(CHAOS_ARGS)

chaos-cluster: install-dev services ## The 5 schedules on three nodes, MongoDB and Redis
	$(BIN)/python -m tests.chaos.run --deployment cluster --seeds 1-5 --json $(CHAOS_ARGS)

strangers: install-dev ## Nonsense, slow clients and floods from four addresses, and a user who must not notice (35 minutes)
	$(BIN)/python -m tests.strangers.run --json $(STRANGERS_ARGS)

check: install-dev ## Lint and type-check
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy

format: install-dev ## Format the sources
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

tlds: install-dev ## Renew the list of top-level domains (take a newer publicsuffixlist with `make lock` first)
	$(BIN)/python -m tools.tlds

# Where the results go as JSON lines, and the folder of the page and the plots made from them.
BENCH_RESULTS ?= bench-results.jsonl
BENCH_DOCS ?= docs

bench: install-dev ## Run the benchmarks and sweeps (40 minutes, on an idle machine), and write docs/benchmarks.md
	$(BIN)/python -m bench all sweeps --json $(BENCH_ARGS) > $(BENCH_RESULTS); status=$$?; \
	$(BIN)/python -m bench render $(BENCH_RESULTS) --docs $(BENCH_DOCS) && exit $$status

clean: ## Remove what was installed and cached here (not the data)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
