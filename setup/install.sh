#!/bin/sh
# Makes .venv and installs labkit there, editable, from this folder: `sh setup/install.sh .` or `sh setup/install.sh '.[test]'`.
# Does nothing when that was done before for this folder and this pyproject.toml. PYTHON= names the Python to make it with.
set -eu
cd "$(dirname "$0")/.."
what=${1:-.}
stamp=.venv/installed
where="in $(pwd), $(cksum <pyproject.toml)"

fail() { echo "setup: $1" >&2; exit 1; }
done_before() { grep -qxF "$1 $where" "$stamp" 2>/dev/null; }

make_venv() {
    # python3 first: in an activated environment it is that of the environment.
    if [ -n "${PYTHON:-}" ]; then set -- "$PYTHON"; else set -- python3 python3.14 python3.13 python3.12 python3.11 python; fi
    new_enough=''
    for python; do
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
        new_enough=${new_enough:-$python}
        "$python" -c 'import ensurepip, venv' 2>/dev/null || continue
        echo "Making .venv with $("$python" --version); this happens once."
        "$python" -m venv .venv || fail "$python could not make .venv: its message is above."
        return
    done
    [ -n "$new_enough" ] || fail "Python 3.11 or newer is needed and ${PYTHON:-python3} is not that: install one, or name it with PYTHON=/path/to/python."
    fail "$new_enough cannot make virtual environments: install its venv package (on Debian and Ubuntu: apt install python3-venv)."
}

if .venv/bin/python -c 'import pip' 2>/dev/null; then
    if done_before "$what" || done_before '.[test]'; then exit 0; fi
else
    rm -rf .venv
    make_venv
fi
echo "Installing labkit and what it needs into .venv; this takes a minute the first time."
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --editable "$what" ||
    fail "pip could not install labkit: its message is above; is there a network?"
# With as many processes as there are processors; pip would use one, for most of its time. Some files are not for this Python.
.venv/bin/python -m compileall -qq -j 0 .venv/lib || true
echo "$what $where" >>"$stamp"
