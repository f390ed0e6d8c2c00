# Everything runs in .venv, which `make venv` makes; nothing else on PATH is used but Python itself (3.11 or newer).
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
STAMP := .venv/.installed
# Bytecode, on all cores, which pip writes on one. What cannot be compiled was never meant to be: hence `|| true`.
COMPILE := @$(BIN)/python -m compileall -qq -j 0

CORE := src/deepcae/kernels/core
.PHONY: venv test types tests docs sanitize portable fuzz faults kills conformance demo schema models clean
.DELETE_ON_ERROR:

venv: $(STAMP)

$(STAMP): pyproject.toml setup.py constraints.txt $(wildcard $(CORE)/*)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "deepcae needs Python 3.11 or newer: make PYTHON=/path/to/python3.11")'
	@echo "installing into .venv, some minutes where PyTorch has to be downloaded"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --no-compile -c constraints.txt -e '.[dev]'
	@echo "compiling, a minute"
	$(COMPILE) -x '/tests?/' $$($(BIN)/python -c 'import site; print(*site.getsitepackages())') || true
	@touch $@
	@echo "done; to type deepcae alone: source .venv/bin/activate"

test: venv
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(MAKE) --jobs 2 types tests

types: venv
	$(BIN)/python -m mypy

# A worker for each core, with a thread each. Its many children read the compiled package, also where Python may write none.
tests: venv
	$(COMPILE) src/deepcae || true
	OMP_WAIT_POLICY=passive OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

# The pages of docs/ as a site: open build/site/index.html. Warnings are errors.
docs: venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs build/site

# The compiled kernels under AddressSanitizer and UndefinedBehaviorSanitizer, in a copy of the package.
sanitize: venv
	rm -rf build/sanitize && mkdir -p build/sanitize && cp -r src/deepcae build/sanitize/
	rm -f build/sanitize/deepcae/kernels/_core*
	$(CXX) -g -O1 -std=c++17 -fPIC -shared -fsanitize=address,undefined -fno-sanitize-recover=undefined -Wno-psabi \
	    $(CORE)/core.cpp -o build/sanitize/deepcae/kernels/_core.so
	PYTHONPATH=build/sanitize ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD="$$($(CXX) -print-file-name=libasan.so) \
	    $$($(CXX) -print-file-name=libubsan.so)" $(BIN)/python -m pytest -p no:cacheprovider \
	    tests/kernels/test_core.py tests/kernels/test_calls.py tests/tape/test_tape.py

# The compiled kernels without Python, by any compiler and for any machine: see tests/kernels/portable.cpp.
LAUNCH ?=
portable:
	mkdir -p build
	$(CXX) -O3 -std=c++17 -fno-math-errno -fno-trapping-math -Wall -Wextra -Werror -Wno-psabi -Wno-unknown-pragmas -pthread \
	    tests/kernels/portable.cpp -o build/portable
	$(LAUNCH) build/portable

# How far the results are from real Caffe's, family by family.
conformance: venv
	$(BIN)/python tests/conformance.py

# Wrong files for every reader; what it finds lies in runs/fuzz.
MINUTES ?= 60
fuzz: venv
	PYTHONPATH=tests $(BIN)/python -m fuzz.run --minutes $(MINUTES) --out runs/fuzz

# Every call of a whole training, and of a whole fit, that changes a file fails once, or is its last; then trainings
# killed again and again.
EVERY ?= 1
KILLS ?= 1000
faults: venv
	PYTHONPATH=tests $(BIN)/python -m faults.run --every $(EVERY)

kills: venv
	PYTHONPATH=tests $(BIN)/python -m faults.kills --kills $(KILLS)

demo: venv
	$(BIN)/deepcae demo -o runs/demo

# After a change of caffe.proto: the descriptor set that the package ships.
schema: venv
	$(BIN)/python -m grpc_tools.protoc -I src/deepcae/proto --descriptor_set_out=src/deepcae/proto/caffe.desc caffe.proto

# After a change in the zoo: the texts in models/.
models: venv
	for name in models/*/; do $(BIN)/deepcae zoo $$(basename $$name) -o $$name; done

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis src/*.egg-info
