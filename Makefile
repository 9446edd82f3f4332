# The commands of this project. `make run` and `make test` set up all they need in .venv and say what they install.
.PHONY: help run test bench lint coverage screenshots lock chromium dovecot
SHELL := /bin/bash
BIN := .venv/bin
CHROMIUM := $(shell command -v chromium-headless-shell chromium chromium-browser google-chrome | head -n 1)
DOVECOT := $(shell PATH="$$PATH:/usr/sbin:/usr/local/sbin" command -v dovecot)

help:
	@echo "make run          the demonstration on http://127.0.0.1:8000"
	@echo "make test         lint, types and every test (installs Chromium and Dovecot by apt if they are missing)"
	@echo "make lint         ruff and mypy"
	@echo "make coverage     the tests again, with branch coverage"
	@echo "make bench        the speed figures of the README"
	@echo "make screenshots  the pictures of the README"
	@echo "make lock         pin the newest releases that pyproject.toml allows (needs uv)"

run: .venv/installed-run
	$(BIN)/booking demo

test: .venv/installed-test chromium dovecot lint
	$(BIN)/python -m pytest -n 3 --dist worksteal

lint: .venv/installed-test
	$(BIN)/ruff check
	$(BIN)/mypy

coverage: .venv/installed-test chromium dovecot
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage report --skip-covered

bench: .venv/installed-test
	$(BIN)/python -m bench

screenshots: .venv/installed-test chromium
	$(BIN)/python -m tests.browser.screenshots

# .venv holds the pinned packages of the lock, checked by hash, then this project in place.
.venv/installed-run: requirements.lock pyproject.toml | .venv
	$(call install,requirements.lock,the packages that the service needs)
.venv/installed-test: requirements-dev.lock pyproject.toml | .venv
	$(call install,requirements-dev.lock,the packages that the service and its tests need)

define install
@echo "Installing $(2) into .venv ($$(grep -c '==' $(1)) pinned packages of $(1))"
@set -e; if command -v uv >/dev/null; then \
	export VIRTUAL_ENV=$(CURDIR)/.venv; \
	uv pip install --quiet --compile-bytecode --require-hashes -r $(1); \
	uv pip install --quiet --no-deps -e .; \
else \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1); \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .; \
fi
@touch $@
endef

.venv:
	@for python in python3.13 python3.12 python3.11 python3; do \
		$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
		$$python -c 'import ensurepip, venv' 2>/dev/null || { bare=$$python; continue; }; \
		echo "Making .venv with $$($$python --version)"; \
		exec $$python -m venv .venv; \
	done; \
	if [ -n "$$bare" ]; then \
		echo "$$bare has no venv module. On Debian and Ubuntu: apt-get install $$(basename $$bare)-venv" >&2; \
	else \
		echo "Python 3.11 or newer is needed; found: $$(python3 --version 2>/dev/null || echo none)" >&2; \
	fi; exit 1

chromium:
ifeq ($(CHROMIUM),)
	$(call apt,chromium-headless-shell chromium,Chromium,the browser tests)
endif

dovecot:
ifeq ($(DOVECOT),)
	$(call apt,dovecot-imapd,Dovecot,the tests of the mailbox)
endif

# Install the first of these packages ($1) that there is, which brings $2, for $3.
define apt
	@if [ "$$(id -u)" = 0 ]; then as=; elif sudo -n true 2>/dev/null; then as=sudo; else as=nobody; fi; \
	if [ "$$as" = nobody ] || ! command -v apt-get >/dev/null; then \
		echo "To be installed for $3: $2 (Debian: apt-get install $(lastword $1)). Then try again." >&2; exit 1; \
	fi; \
	echo "Installing $2 by apt, for $3"; \
	apt_get="$$as env DEBIAN_FRONTEND=noninteractive apt-get -qq"; $$apt_get update; \
	for package in $1; do \
		$$apt_get install -y --no-install-recommends $$package && exit; \
	done; exit 1
endef

lock:
	uv pip compile --quiet --universal --python-version 3.11 pyproject.toml --upgrade --generate-hashes --no-header --no-annotate -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 pyproject.toml --group dev --upgrade --generate-hashes --no-header --no-annotate -o requirements-dev.lock
