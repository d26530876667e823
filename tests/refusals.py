"""Code that takes an ability away from a process and its children, as containers do: for tests that start a Python."""

import platform

_UNSHARE = {"x86_64": 272, "aarch64": 97, "riscv64": 97}
_SOCKET = {"x86_64": 41, "aarch64": 198, "riscv64": 198}
_AF_PACKET = 17

_FILTER = """
import ctypes, struct
LOAD, EQUAL, RETURN, ALLOW, REFUSE = 0x20, 0x15, 0x06, 0x7FFF0000, 0x00050001  # REFUSE with EPERM
steps = {steps}
filters = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
program = struct.pack("HP", len(steps), ctypes.addressof(filters))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
assert libc.prctl(22, 2, program, 0, 0) == 0  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
"""

NO_UNSHARE = _FILTER.format(
    steps=f"""[
    (LOAD, 0, 0, 0), (EQUAL, 0, 1, {_UNSHARE[platform.machine()]}),
    (RETURN, 0, 0, REFUSE), (RETURN, 0, 0, ALLOW)]"""
)
"""unshare(2) fails with EPERM."""

NO_PACKET_SOCKETS = _FILTER.format(
    steps=f"""[
    (LOAD, 0, 0, 0), (EQUAL, 0, 3, {_SOCKET[platform.machine()]}),
    (LOAD, 0, 0, 16), (EQUAL, 0, 1, {_AF_PACKET}),
    (RETURN, 0, 0, REFUSE), (RETURN, 0, 0, ALLOW)]"""
)
"""socket(2) fails with EPERM for packet sockets (packet(7)), and for no others."""
