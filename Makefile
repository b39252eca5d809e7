# make demo    train every part once on this machine and open the report      (BUDGET=smoke | demo | 1h)
# make test    run the fast tests;  make test-slow  runs the rest
# make lint    style;  make clean-demo  forget what the demo made
#
# PYTHON=python3.11   which Python makes the environment (3.10 to 3.12)
# VENV=.venv          where the environment is
# WORKERS=2           how many tests run side by side (default: one a core, at most 8; slow ones: at most 2)
# CUDA=cu126          take torch from PyTorch's own index for that CUDA (cpu, cu126, cu128 …) instead of PyPI's build

PYTHON ?= $(firstword $(foreach p,python3.11 python3.12 python3.10 python3,$(if $(shell $(p) -V 2>/dev/null),$(p))))
VENV ?= $(CURDIR)/.venv
BUDGET ?= demo
CUDA ?=
WORKERS ?= $(shell getconf _NPROCESSORS_ONLN)
# Threads of processes side by side wait for each other: each worker has one.
PYTEST = OMP_NUM_THREADS=1 "$(VENV)/bin/python" -m pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder

export AUDIOLM_VENV := $(abspath $(VENV))
READY := $(VENV)/.audiolm-ready

.PHONY: demo test test-slow lint setup clean-demo
.DEFAULT_GOAL := help

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

setup: $(READY)

$(READY): setup.py tools/requirements.lock tools/install.sh
	@tools/check_system.sh "$(PYTHON)" "$(VENV)"
	@tools/install.sh "$(PYTHON)" "$(VENV)" "$(CUDA)"
	@touch "$@"

demo: $(READY)
	egs/mini/dialogue1/run.sh --budget $(BUDGET)

test: $(READY)
	"$(VENV)/bin/ruff" check . && "$(VENV)/bin/ruff" format --check .
	$(PYTEST) --maxprocesses 8

test-slow: $(READY)
	$(PYTEST) --maxprocesses 2 -m slow --durations 10

lint: $(READY)
	"$(VENV)/bin/ruff" check --fix . && "$(VENV)/bin/ruff" format .

clean-demo:
	rm -rf egs/mini/dialogue1/work
