"""System calls of Linux that Python 3.11 does not name: unshare(2), setns(2), mount(2), umount2(2), one of ioctl(2)."""

import ctypes
import fcntl
import os
import socket
import struct

# <linux/sched.h>
MOUNTS, HOSTNAME, USERS, NETWORK = 0x00020000, 0x04000000, 0x10000000, 0x40000000
"""The kinds of namespaces(7) that the lab uses: CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWUSER and CLONE_NEWNET."""
_BIND, _RECURSIVE, _PRIVATE = 4096, 16384, 1 << 18
_DETACH = 2
_SIOCETHTOOL, _SET_CHECKSUMS_OF_SENDER = 0x8946, 0x17
"""<linux/sockios.h>; ETHTOOL_STXCSUM of <linux/ethtool.h>."""

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(kinds: int) -> None:
    """Move this process to new namespaces of these kinds. Raises `OSError`."""
    _checked(_libc.unshare(kinds))


def enter(namespace: int, kind: int) -> None:
    """Move this process to the namespace behind this descriptor. Raises `OSError`."""
    _checked(_libc.setns(namespace, kind))


def keep_mounts_private() -> None:
    """Let no later mount be seen in another namespace. Raises `OSError`."""
    _checked(_libc.mount(b"none", b"/", None, ctypes.c_ulong(_RECURSIVE | _PRIVATE), None))


def mount_memory(folder: str) -> None:
    """Mount an empty file system that lives in memory. Raises `OSError`."""
    _checked(_libc.mount(b"lab", folder.encode(), b"tmpfs", ctypes.c_ulong(0), None))


def unmount(folder: str) -> None:
    """Take a file system away; files of it that are bound elsewhere stay there. Raises `OSError`."""
    _checked(_libc.umount2(folder.encode(), _DETACH))


def bind(source: str, target: str) -> None:
    """Show a file in the place of another one. Raises `OSError`."""
    _checked(_libc.mount(source.encode(), target.encode(), None, ctypes.c_ulong(_BIND), None))


def fill_in_checksums(interface: str) -> None:
    """Have the kernel compute the checksums of what leaves at an interface, instead of a card (ethtool(8), ``tx off``).

    Raises `OSError`.
    """
    value = (ctypes.c_uint32 * 2)(_SET_CHECKSUMS_OF_SENDER, 0)
    request = struct.pack("16sP", interface.encode(), ctypes.addressof(value))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, _SIOCETHTOOL, request)


def _checked(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
