# Sets up what a command needs in a virtual environment, then runs it.
# `make help` lists the commands.

# Python 3.11 to 3.13: what the versions in constraints.txt are built for.
PYTHON ?= python3
VENV ?= .venv
# The backend of `make demo`, `make notebooks` and `make train`.
KERAS_BACKEND ?= jax
# The backends that `make test` goes through.
BACKENDS ?= jax tensorflow torch
# Options of what `make app`, `make train` or `make notebooks` runs.
ARGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Touched when an installation is complete, one per set of extras.
APP_READY := $(VENV)/.ready-app-$(KERAS_BACKEND)
RUN_READY := $(VENV)/.ready-run-$(KERAS_BACKEND)
TEST_READY := $(VENV)/.ready-test
# lmms-eval asks for an older PyAV than this package reads media with. It works
# with the newer one, in an environment of its own.
LMMS_EVAL := $(VENV)-lmms-eval

.PHONY: help demo app app-screenshot test test-lmms-eval notebooks docs format train clean
.DELETE_ON_ERROR:

help:
	@echo 'make demo    ask the shipped model about clips, fine-tune it, save it'
	@echo 'make app     ask the shipped model about your clips, in the browser; see ARGS="--help"'
	@echo 'make test    run the tests on $(BACKENDS)'
	@echo 'make test-lmms-eval  run the tests of the lmms-eval plugin with lmms-eval'
	@echo 'make notebooks  run the guides, with what they show into guides/notebooks;'
	@echo '             ARGS="quickstart" runs one of them'
	@echo 'make docs    build the site of documentation into build/docs'
	@echo 'make train   train mirasol_tiny anew (an hour) and put it in the package; see ARGS="--help"'
	@echo 'make format  put the code in the style that the tests ask for'
	@echo 'make clean   remove the virtual environment and caches, not build/'
	@echo
	@echo 'demo, app and train run on KERAS_BACKEND=jax, tensorflow or torch;'
	@echo 'test on all of BACKENDS="jax tensorflow torch".'

demo: $(RUN_READY)
	KERAS_BACKEND=$(KERAS_BACKEND) $(BIN)/python guides/quickstart.py

app: $(APP_READY)
	KERAS_BACKEND=$(KERAS_BACKEND) $(BIN)/python -m keras_mirasol.app $(ARGS)

# The README's picture of the page, taken by Chromium.
app-screenshot: $(TEST_READY)
	$(BIN)/python tests/app/page_in_browser.py docs/demo.png

# Two at a time: tests wait for compilers that use one core. What is marked as
# a test that no backend can change runs by itself, on the last of them, PyTorch,
# which compiles nothing; it takes longest, and begins first. A failure in one
# does not keep the others from running.
test: $(TEST_READY)
	@mkdir -p build/tests
	@echo 'Testing $(BACKENDS), two at a time; logs are in build/tests'
	@printf '%s\n' any_backend $(BACKENDS) | xargs -P 2 -I @ sh -c '\
		case @ in \
			any_backend) backend=$(lastword $(BACKENDS)); marked=@;; \
			*) backend=@; marked="not any_backend";; \
		esac; \
		KERAS_BACKEND=$$backend $(BIN)/python -m pytest -m "$$marked" \
			--durations=30 > build/tests/@.log 2>&1; status=$$?; \
		echo; echo "Tests on @"; cat build/tests/@.log; exit $$status' \
		|| { echo 'Tests failed, see above'; exit 1; }
	@echo 'Tests passed on: $(BACKENDS)'

test-lmms-eval: $(LMMS_EVAL)/.ready
	KERAS_BACKEND=jax $(LMMS_EVAL)/bin/python -m pytest \
		tests/evaluation/test_lmms_eval.py

notebooks: $(TEST_READY)
	KERAS_BACKEND=$(KERAS_BACKEND) $(BIN)/python guides/make_notebooks.py $(ARGS)

# Material's note on what may come after MkDocs is not about this site.
docs: $(TEST_READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet
	@echo 'Open build/docs/index.html'

format: $(TEST_READY)
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

# An allocator that keeps its pages for a minute, if there is one: with glibc's,
# training on a CPU may spend half of its time on page faults.
JEMALLOC := $(firstword $(wildcard /usr/lib/*/libjemalloc.so.2))

train: $(RUN_READY)
	KERAS_BACKEND=$(KERAS_BACKEND) LD_PRELOAD=$(JEMALLOC) \
		MALLOC_CONF=dirty_decay_ms:60000,muzzy_decay_ms:60000 \
		$(BIN)/python training/mirasol_tiny.py --ship $(ARGS)

# build/ stays: it may hold hours of training.
clean:
	rm -rf $(VENV) $(LMMS_EVAL) .pytest_cache .ruff_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
		|| { echo 'Python 3.11 to 3.13 is needed. Name one that is installed:' \
			'make PYTHON=python3.12 $(MAKECMDGOALS)'; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(RUN_READY): pyproject.toml constraints.txt | $(BIN)/python
	@case '$(KERAS_BACKEND)' in jax|tensorflow|torch) ;; *) \
		echo 'KERAS_BACKEND must be jax, tensorflow or torch, but it is' \
			'"$(KERAS_BACKEND)".'; exit 1;; esac
	$(PIP) install -e '.[$(KERAS_BACKEND),guides]' -c constraints.txt
	@touch $@

$(APP_READY): $(RUN_READY)
	$(PIP) install -e '.[$(KERAS_BACKEND),demo]' -c constraints.txt
	@touch $@

$(TEST_READY): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -e '.[jax,tensorflow,torch,guides,docs,demo,test,evaluation,tfio,grain,beam,checkpoints]' -c constraints.txt
	@touch $@

$(LMMS_EVAL)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(LMMS_EVAL)
	$(LMMS_EVAL)/bin/python -m pip install lmms-eval==0.7.3
	$(LMMS_EVAL)/bin/python -m pip install -e '.[jax]' pytest
	@touch $@
