"""A notebook in a kernel of its own, which is spoken to over Unix sockets.

Jupyter looks for free TCP ports before it starts a kernel, and the servers of other tests take some of them meanwhile.

A kernel is forked from a process that has loaded what most lessons load of the libraries of others, and nothing of
labkit: to load it anew is half of what a lesson costs.
"""

import atexit
import multiprocessing
import os
import sys
import tempfile
from pathlib import Path
from typing import Any
from uuid import uuid4

from forked_kernel import be_a_kernel
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner
from nbclient import NotebookClient
from nbformat import NotebookNode
from traitlets.config import Config

_LOADED = (
    "aiosmtpd.smtp",
    "cryptography.x509",
    "dns.dnssec",
    "dns.resolver",
    "dns.zone",
    "htpy",
    "ipykernel.debugger",
    "ipykernel.kernelapp",
    "ipywidgets",
    "matplotlib.backends.backend_svg",
    "matplotlib.figure",
    "scapy.layers.inet6",
)
"""What is loaded before a kernel begins."""
os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # a debugger has nothing to say of modules that are frozen
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(list(_LOADED))
_TESTS = Path(__file__).parent
_SOCKETS = tempfile.TemporaryDirectory(prefix="kernels-")  # kept until this process ends


def client(notebook: NotebookNode, timeout: int, **options: object) -> NotebookClient:
    """What runs the notebook; `timeout` is the limit of a cell in seconds."""
    place = Path(tempfile.mkdtemp(dir=_SOCKETS.name)) / "kernel"
    over = Config(KernelManager={"transport": "ipc", "ip": str(place)})  # a path, in jupyter_client's words
    return NotebookClient(
        notebook, timeout=timeout, kernel_name="python3", config=over, kernel_manager_class=_Forking, **options
    )


class _Process:
    """A forked process in the terms of `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, *arguments: object) -> None:
        self._process = _FORKS.Process(target=be_a_kernel, args=arguments)
        self._process.start()
        atexit.register(self._process.kill)  # else this process would wait for a kernel that hangs
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self) -> int | None:
        self._process.join()
        return self.poll()

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)


class _Forked(LocalProvisioner):
    """Forks the kernel instead of starting a program."""

    async def launch_kernel(self, cmd: list[str], **options: Any) -> dict[str, Any]:
        self.cwd = options.get("cwd") or os.getcwd()
        path = ["", *(place for place in sys.path if not Path(place).is_relative_to(_TESTS))]
        self.process = _Process(cmd[cmd.index("-f") :], self.cwd, options["env"], path)
        self.pid = self.pgid = self.process.pid
        return self.connection_info


class _Forking(AsyncKernelManager):
    async def _async_pre_start_kernel(self, **options: Any) -> tuple[list[str], dict[str, Any]]:
        self.kernel_id = self.kernel_id or str(uuid4())
        self.provisioner = _Forked(kernel_id=self.kernel_id, kernel_spec=self.kernel_spec, parent=self)
        return await super()._async_pre_start_kernel(**options)
