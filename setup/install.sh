#!/bin/sh
# Makes .venv and installs labkit there, editable, from this folder: `sh setup/install.sh .` or `sh setup/install.sh '.[test]'`.
# Does nothing when that was done before for this folder and this pyproject.toml. PYTHON= names the Python to use.
set -eu
cd "$(dirname "$0")/.."
what=${1:-.}
wanted="$what in $(pwd), $(cksum <pyproject.toml)"
stamp=.venv/installed$(printf %s "$what" | tr -dc a-z)

fail() { echo "setup: $1" >&2; exit 1; }

if .venv/bin/python -c '' 2>/dev/null; then
    [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && exit 0
else
    rm -rf .venv
fi

found=''
for python in ${PYTHON:-python3.13 python3.12 python3.11 python3 python}; do
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
    found=$python
    "$python" -c 'import ensurepip, venv' 2>/dev/null && break
    python=''
done
[ -n "$found" ] || fail "Python 3.11 or newer is needed and ${PYTHON:-python3} is not that: install one, or name it with PYTHON=/path/to/python."
[ -n "$python" ] || fail "$found cannot make virtual environments: install its venv package (on Debian and Ubuntu: apt install python3-venv)."

if [ ! -d .venv ]; then
    echo "Making .venv with $("$python" --version); this happens once."
    "$python" -m venv .venv || fail "$python could not make .venv: its message is above."
fi
echo "Installing labkit and what it needs into .venv; this takes a minute the first time."
.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable "$what" ||
    fail "pip could not install labkit: its message is above; is there a network?"
echo "$wanted" >"$stamp"
