# make demo    train every part once on this machine and open the report      (BUDGET=smoke | demo | 1h)
# make test    run the fast tests;  make test-slow  runs the rest
# make lint    style;  make clean-demo  forget what the demo made
#
# PYTHON=python3.11   which Python makes the environment (3.10 to 3.12)
# VENV=.venv          where the environment is
# CUDA=cu126          take torch from PyTorch's own index for that CUDA (cpu, cu126, cu128 …) instead of PyPI's build

PYTHON ?= $(firstword $(foreach p,python3.11 python3.12 python3.10 python3,$(if $(shell $(p) -V 2>/dev/null),$(p))))
VENV ?= $(CURDIR)/.venv
BUDGET ?= demo
CUDA ?=

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
	"$(VENV)/bin/python" -m pytest

test-slow: $(READY)
	"$(VENV)/bin/python" -m pytest -m slow --durations 10

lint: $(READY)
	"$(VENV)/bin/ruff" check --fix . && "$(VENV)/bin/ruff" format .

clean-demo:
	rm -rf egs/mini/dialogue1/work
