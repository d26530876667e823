# The commands of the lab. Each prepares .venv by itself (setup/install.sh), and at once when that was done before.
#   make lab    opens JupyterLab on the first lesson      make lab ARGS=--no-browser
#   make test   style, the tests and the notebooks        make test ARGS="tests/network -x"
#   make thorough  the tests with every lesson, program and network (tests/thoroughly.py)
#   make bench  how fast it is, as ratios
#   make fuzz   reads a million mutated captures and dialogues; make fuzz ARGS=10000
#   make endurance  five hundred labs on each network, 64 signals and sixty restarts, and what they leave behind
#   make capstones  records thirty mystery networks, and has tshark read whether their keys are right
#   make data   records the captures in data/ anew
#   make site   the lessons, executed, as web pages in build/site; make site ARGS=check looks at each in Chromium
#   make clean  removes what these commands made
# PYTHON=/path/to/python chooses the Python that .venv is made with; it must be 3.11 or newer.

ARGS =
PY = .venv/bin/python
AS_ROOT = $(shell test "$$(id -u)" = 0 && echo --allow-root)

# Five tests run at once, also on two processors: most of them wait, for a time limit or for another program. They begin in
# the order of tests/conftest.py.
AT_ONCE = -n 5 --dist loadgroup --no-loadscope-reorder
# `make test` makes each claim once; tests that repeat one with other lessons, programs or networks are marked thorough.
ONCE = -m "not thorough"
# What depends on the network or on a privilege is tested twice: on the best network that this machine allows, and again on
# loopback, by a user without any privilege. test_one_room_makes_sockets.py reads source code and needs no network. Of the
# lessons, tests/notebooks/test_binder.py runs one without privilege, and `make thorough` all. `make test` runs these beside
# the first, in one process, and prints their output at the end.
AGAIN = $(filter-out %test_one_room_makes_sockets.py,$(wildcard tests/network/test_*.py)) \
	tests/capture/test_recording.py tests/attacks/test_both_sides.py tests/servers/test_foreign_clients.py \
	tests/test_lab.py
ALL_AGAIN = $(AGAIN) tests/notebooks/test_run.py tests/clients tests/attacks/test_interceptor.py tests/attacks/test_tools_as_victims.py \
	tests/servers/test_foreign_mail_readers.py tests/servers/test_provider.py tests/servers/test_many_at_once.py
UNPRIVILEGED = unshare --user --map-user=1000 --map-group=1000
ORDINARY = $(shell $(UNPRIVILEGED) true 2>/dev/null && echo $(UNPRIVILEGED))
# Where Python may not keep what it has compiled, each of the processes that the tests start compiles labkit again.
PYTEST = env -u PYTHONDONTWRITEBYTECODE $(PY) -m pytest

TWICE = said=$$(mktemp); LABKIT_NETWORK=loopback $(ORDINARY) $(PYTEST) $(ONCE) $(AGAIN) >$$said 2>&1 & again=$$!; \
	$(PYTEST) $(AT_ONCE) $(ONCE); first=$$?; wait $$again; second=$$?; cat $$said; rm -f $$said; \
	exit $$((first | second))

.PHONY: lab test thorough bench fuzz endurance capstones data site clean
.NOTPARALLEL:

lab:
	@PYTHON="$(PYTHON)" sh setup/install.sh '.[protocols]'
	sh setup/lab.sh $(AS_ROOT) $(ARGS)

test:
	@PYTHON="$(PYTHON)" sh setup/install.sh '.[test]'
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(if $(ARGS),$(PYTEST) $(ARGS),$(TWICE))

thorough:
	@PYTHON="$(PYTHON)" sh setup/install.sh '.[test]'
	$(PYTEST) $(AT_ONCE)
	LABKIT_NETWORK=loopback $(ORDINARY) $(PYTEST) $(AT_ONCE) $(ALL_AGAIN)

bench:
	@PYTHON="$(PYTHON)" sh setup/install.sh '.[test]'
	$(PY) bench/run.py $(ARGS)

fuzz:
	@PYTHON="$(PYTHON)" sh setup/install.sh '.[test]'
	$(PY) tests/fuzz.py $(ARGS)

endurance:
	@PYTHON="$(PYTHON)" sh setup/install.sh '.[test]'
	$(PY) tests/endurance.py $(ARGS)

capstones:
	@PYTHON="$(PYTHON)" sh setup/install.sh '.[test]'
	$(PY) tests/capstones.py $(ARGS)

data:
	@PYTHON="$(PYTHON)" sh setup/install.sh .
	$(PY) data/record.py $(ARGS)
	$(PY) data/record_commands.py

site:
	@PYTHON="$(PYTHON)" sh setup/install.sh '.[test]'
	$(PY) site/render.py $(ARGS)

clean:
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis build *.egg-info
	find . \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +
