"""A notebook in a kernel of its own, which is spoken to over Unix sockets.

Jupyter looks for free TCP ports before it starts a kernel, and the servers of other tests take some of them meanwhile.
"""

import tempfile
from pathlib import Path

from nbclient import NotebookClient
from nbformat import NotebookNode
from traitlets.config import Config

_SOCKETS = tempfile.TemporaryDirectory(prefix="kernels-")  # kept until this process ends


def client(notebook: NotebookNode, timeout: int, **options: object) -> NotebookClient:
    """What runs the notebook; `timeout` is the limit of a cell in seconds."""
    place = Path(tempfile.mkdtemp(dir=_SOCKETS.name)) / "kernel"
    over = Config(KernelManager={"transport": "ipc", "ip": str(place)})  # a path, in jupyter_client's words
    return NotebookClient(notebook, timeout=timeout, kernel_name="python3", config=over, **options)
