#!/bin/sh
# Opens JupyterLab on the first lesson: `sh setup/lab.sh`, with further options of JupyterLab.
set -eu
cd "$(dirname "$0")/.."

# JupyterLab loads no news, looks for no updates, and does not ask whether to: setup/jupyterlab/overrides.json.
set -- -m jupyterlab --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb \
    --LabApp.app_settings_dir=setup/jupyterlab "$@"
if [ -w "${HOME:-}" ]; then exec .venv/bin/python "$@"; fi

# JupyterLab, IPython and matplotlib stop or complain without a home folder that they can write to.
own=$(mktemp -d)
trap 'rm -rf "$own"' EXIT
trap : INT  # Control-C is for JupyterLab; what follows is done when it has ended
export JUPYTER_CONFIG_DIR="$own/config" JUPYTER_DATA_DIR="$own/data" JUPYTER_RUNTIME_DIR="$own/runtime"
export IPYTHONDIR="$own/ipython" MPLCONFIGDIR="$own/matplotlib"
echo "lab: the home folder ${HOME:-(none)} cannot be written: JupyterLab's own settings last until it ends." >&2
.venv/bin/python "$@"
