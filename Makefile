# Each target makes its own .venv from pinned requirements; nothing else is needed than git, make and python3-venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FOR ?=
# The tests start hundreds of programs: compiled files are kept, whatever the environment says.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test check slow format locale meters pictures release vectors wheels clean

$(VENV)/ready: requirements/dev.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

demo: $(VENV)/ready
	$(BIN)/python -m demo $(if $(FOR),--for $(FOR),)

test: $(VENV)/ready
	$(BIN)/pytest -n 4 --dist worksteal -m "not slow"

slow: $(VENV)/ready
	$(BIN)/pytest -m slow

check: $(VENV)/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) test

format: $(VENV)/ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

locale: $(VENV)/ready
	@for domain in $$(ls mrv/locale/*/LC_MESSAGES/*.po | xargs -n1 basename | sort -u | sed 's/\.po$$//'); do \
		$(BIN)/pybabel --quiet compile --directory mrv/locale --domain $$domain; done

# Everything an installation without a network needs: deploy/install.sh ROLE --wheels dist/wheels
wheels: $(VENV)/ready
	rm -rf dist/wheels
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --wheel-dir dist/wheels \
		--constraint requirements/dev.txt ".[collector]"

meters: $(VENV)/ready
	$(BIN)/python tests/meter_cases.py > drivers/profiles/proofs.new
	mv drivers/profiles/proofs.new drivers/profiles/proofs.json
	$(BIN)/mrv-meter profiles --markdown > docs/meters.md

pictures: $(VENV)/ready
	$(BIN)/python -m docs.pictures.draw

# Once a profile or methodology is as it shall stay: from then on judges decode and compute with it.
release: $(VENV)/ready
	$(BIN)/python -m drivers.profiles.release >> mrv/released.txt

vectors: $(VENV)/ready
	$(BIN)/python tests/vectors/generate.py

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis demo-run
