"""Kernels and servers of these tests see nothing of what the user has configured for Jupyter, and leave
nothing there."""

import tempfile
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def jupyter_of_its_own(tmp_path_factory: pytest.TempPathFactory):
    """Empty folders for everything that Jupyter and IPython read and write."""
    home = tmp_path_factory.mktemp("jupyter")
    # The runtime folder holds the sockets of kernels, and the path of a socket has at most 107 bytes (unix(7)).
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="jupyter-") as running:
        patch.setenv("JUPYTER_RUNTIME_DIR", running)
        for name in ("CONFIG_DIR", "DATA_DIR"):
            patch.setenv(f"JUPYTER_{name}", str(_made(home / name)))
        for name in ("SETTINGS_DIR", "WORKSPACES_DIR"):
            patch.setenv(f"JUPYTERLAB_{name}", str(_made(home / name)))
        patch.setenv("IPYTHONDIR", str(_made(home / "ipython")))
        yield home


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
