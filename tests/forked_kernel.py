"""What a forked process does to be a kernel; `kernels` forks it. It imports nothing that a lesson would miss."""

import atexit
import multiprocessing
import os
import signal
import sys
import threading


def be_a_kernel(arguments: list[str], folder: str, environment: dict[str, str], path: list[str]) -> None:
    """Serve as a kernel of IPython until it is shut down, as ``python -m ipykernel_launcher`` does."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv[:], sys.path[:] = ["ipykernel_launcher.py", *arguments], path
    threading.Thread(target=_end_with_the_tests, daemon=True).start()

    from ipykernel.kernelapp import IPKernelApp

    try:
        IPKernelApp.launch_instance(argv=arguments)
    finally:
        atexit._run_exitfuncs()  # multiprocessing ends its processes without


def _end_with_the_tests() -> None:
    """End as a kernel does whose parent has gone."""
    multiprocessing.parent_process().join()
    os._exit(1)
