# On the machine: Python 3.11 or newer, pip and make. Everything else is installed into .tools/ and .venv/.
PYTHON ?= python3
export UV_PYTHON_PREFERENCE ?= only-system
export UV_PROJECT_ENVIRONMENT := .venv
# Compiled modules make a second start four times as fast; they are kept out of the project's own folders.
export PYTHONPYCACHEPREFIX := $(CURDIR)/.venv/pycache
export PYTHONDONTWRITEBYTECODE :=

UV := .tools/bin/uv
PY := .venv/bin/python
SQLITE_TESTS = $(PY) -m pytest -n 2 --dist loadfile --cov --cov-report=term:skip-covered --cov-fail-under=90
# What two years of a family say depends on no database; less nonsense is enough where only the database differs.
POSTGRES_TESTS = FUZZ=3000 $(PY) -m pytest -n 2 --dist loadfile --database=postgres -m "not browser" --ignore=tests/test_make.py \
	--ignore=tests/renewals/test_reminder_oracle.py

.PHONY: help run demo test soak check bench messages sbom
.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18
	@echo "Settings from the environment or from .env (see .env.example): make run PORT=8080"

run: .venv/run.stamp ## start the server and the reminders; Ctrl-C ends both
	@exec $(PY) -m config.start

demo: .venv/run.stamp ## the same, with a made-up household; needs an installation without any
	@exec $(PY) -m config.start --demo

test: .venv/dev.stamp ## the whole suite on SQLite, then on PostgreSQL
	$(SQLITE_TESTS)
	$(PY) -m coverage report --include='renewals/lifecycle/*' --fail-under=100
	$(POSTGRES_TESTS)

soak: export SOAK ?= 1
soak: .venv/dev.stamp ## the long form of the reminders' reliability tests, on both databases; SOAK=0.1 is a tenth
	$(PY) -m pytest -q tests/reliability --deselect tests/reliability/test_ten_rules.py
	$(PY) -m pytest -q tests/reliability --deselect tests/reliability/test_ten_rules.py --database=postgres

# As an installation on the web has it, whatever a developer's own .env says.
check: export DATA_DIR := .venv/check
check: export DATABASE_URL := sqlite:///$(CURDIR)/.venv/check/keepnumber.sqlite3
check: export DEBUG := false
check: export SITE_URL := https://keepnumber.example.org
check: export ALLOWED_HOSTS := keepnumber.example.org
check: export EMAIL_URL := smtp+tls://user:password@mail.example.org:587
check: .venv/dev.stamp ## style, types, migrations, deployment checks
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	find templates -name '*.html' -o -name '*.txt' | xargs -r .venv/bin/djade --target-version 5.2 --check
	find config cards renewals tests bench -name '*.py' | xargs $(PY) -m django_upgrade --target-version 5.2 --check
	$(PY) -m mypy
	$(PY) manage.py makemigrations --check --dry-run
	$(PY) manage.py check --deploy --fail-level WARNING

bench: .venv/dev.stamp ## measure what the promises rest on
	@set -e; found=$$(ls bench/*.py 2>/dev/null || true); test -n "$$found" || echo "No benchmark yet: bench/ has no *.py."; \
	for file in $$found; do echo "== $$file"; $(PY) "$$file"; done

messages: .venv/dev.stamp ## collect and compile the translations
	$(PY) locale/update.py

sbom: .venv/dev.stamp ## what an installation consists of: .venv/sbom.json in CycloneDX, and docs/licences.md
	$(PY) .ci/sbom.py .venv/sbom.json docs/licences.md

$(UV):
	@echo "Installing uv, and with it what uv.lock names: about half a minute, once."
	@env -u PYTHONPYCACHEPREFIX $(PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target .tools uv

.venv/run.stamp: uv.lock | $(UV)
	@$(UV) sync --quiet --frozen --no-dev --inexact --all-extras
	@touch $@

.venv/dev.stamp: uv.lock | $(UV)
	@$(UV) sync --quiet --frozen --all-groups --all-extras
	@touch .venv/run.stamp $@
