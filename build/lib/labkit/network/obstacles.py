"""Why a machine does not allow a private LAN, and what its owner could do about it.

User namespaces for everybody are a choice of the system (user_namespaces(7)); distributions and container engines
switch them off in different ways. Each row of `CAUSES` is one way.
"""

import os
import re
from pathlib import Path
from typing import NamedTuple


class Cause(NamedTuple):
    """One way in which user namespaces are forbidden."""

    path: str
    """The file of the kernel that tells."""
    pattern: str
    """What it says then, a regular expression."""
    sentence: str
    """What that means, and the remedy."""


CAUSES = (
    Cause(
        "/proc/sys/user/max_user_namespaces",
        r"^0$",
        "The system allows no user namespaces: its administrator can set user.max_user_namespaces to 10000 with "
        "sysctl.",
    ),
    Cause(
        "/proc/sys/user/max_net_namespaces",
        r"^0$",
        "The system allows no network namespaces: its administrator can set user.max_net_namespaces to 10000 with "
        "sysctl.",
    ),
    Cause(
        "/proc/sys/kernel/unprivileged_userns_clone",
        r"^0$",
        "The system keeps user namespaces for root: its administrator can set kernel.unprivileged_userns_clone to 1 "
        "with sysctl.",
    ),
    Cause(
        "/proc/self/status",
        r"^Seccomp:\s+2$",
        "A seccomp filter, as containers have it, forbids user namespaces: whoever starts the container can give it "
        "--security-opt seccomp=unconfined.",
    ),
    Cause(
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        r"^1$",
        "AppArmor takes the rights away from user namespaces: the administrator can allow them for this Python with an "
        "AppArmor profile, or for everybody by setting kernel.apparmor_restrict_unprivileged_userns to 0 with sysctl.",
    ),
)
"""The first that applies is named."""


def obstacle(step: str, number: int, said: str) -> str:
    """Sentences on why `step` failed with this error number of the system (0 for none) and these words."""
    reason = os.strerror(number) if number else said
    cause = next((cause.sentence for cause in CAUSES if _applies(cause)), "")
    return f"A private LAN cannot be made here: {step} failed ({reason}). {cause}".strip()


def _applies(cause: Cause) -> bool:
    try:
        return re.search(cause.pattern, Path(cause.path).read_text("ascii", "replace"), re.MULTILINE) is not None
    except OSError:
        return False
