# Everything here works on a fresh machine with Python 3.11+; `make help` lists the commands.
PYTHON ?= python3
BIN := .venv/bin
SETUP := .venv/setup.stamp
CHECK_TOOLS := .venv/check-tools.stamp

# torch on small fields is fastest, by far, with one thread; see app/cli/options.py
export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format serve clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' Makefile

setup: $(SETUP) ## make .venv and install Serein in it (again only when pyproject.toml or constraints.txt change)

demo: $(SETUP) ## start the service, analyse an example batch, print the certificate
	$(BIN)/serein demo

serve: $(SETUP) ## run the service: API, worker and beat in one process tree
	$(BIN)/serein up

test: $(SETUP) ## run the whole test suite, in two processes
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

check: $(CHECK_TOOLS) ## lint, format check, types, layering
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint --failure-threshold warning Dockerfile
	$(BIN)/yamllint --strict -d '{extends: default, rules: {line-length: {max: 130}}}' docker-compose.yml .pre-commit-config.yaml

format: $(CHECK_TOOLS) ## put the code into the house format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove the environment and caches (your data stay)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache *.egg-info

$(SETUP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { \
	  echo "make: no '$(PYTHON)' here. Install Python 3.11 or newer, or name one: make setup PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: '$(PYTHON)' is older than Python 3.11. Name a newer one: make setup PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "make: '$(PYTHON)' cannot make environments. On Debian or Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -c constraints.txt -e '.[test]'
	@touch $@

$(CHECK_TOOLS): $(SETUP)
	$(BIN)/python -m pip install -c constraints.txt -e '.[test,dev,train,peers,simulate]'
	@# without what it needs for vision models only: torchvision would bring a torch of its own
	$(BIN)/python -m pip install -c constraints.txt --no-deps azula
	@touch $@
