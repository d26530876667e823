"""The users that a user namespace has, and under which numbers (user_namespaces(7)): at least the user that made it."""


def numbers(file: str) -> list[tuple[int, int, int]]:
    """The lines of this process's ``uid_map`` or ``gid_map``: (first number inside, first outside, count)."""
    with open(f"/proc/self/{file}", encoding="ascii") as lines:
        return [(int(inside), int(outside), int(count)) for inside, outside, count in map(str.split, lines)]


def map_one(user: int, group: int, outer_user: int, outer_group: int) -> None:
    """Be this user and this group in the user namespace that this process has just made, without any other.

    `outer_user` and `outer_group` are their numbers in the namespace around it. Raises `OSError`.
    """
    if not numbers("gid_map"):
        _write("setgroups", "deny")
        _write("gid_map", f"{group} {outer_group} 1")
    if not numbers("uid_map"):
        _write("uid_map", f"{user} {outer_user} 1")


def _write(file: str, line: str) -> None:
    with open(f"/proc/self/{file}", "w", encoding="ascii") as target:
        target.write(line)
