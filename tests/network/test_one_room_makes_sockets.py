"""Sockets are made in `labkit.network` and nowhere else, so its check cannot be avoided."""

import ast
from collections.abc import Iterator

from sources import ONCE, nodes, trees

pytestmark = ONCE

MAKES_SOCKETS = {
    "create_connection",
    "create_server",
    "create_datagram_endpoint",
    "create_unix_connection",
    "create_unix_server",
    "fromfd",
    "open_connection",
    "start_server",
    "urlopen",
}
SOCKET_METHODS = {"bind", "connect_ex", "sendto"}
NETWORKING_MODULES = {"http.client", "http.server", "urllib.request", "xmlrpc", "telnetlib", "socketserver", "requests"}
CONNECTS = {
    "SMTP": "_get_socket",
    "LMTP": "_get_socket",
    "IMAP4": "_create_socket",
    "POP3": "_create_socket",
    "FTP_TLS": "ntransfercmd",
}
"""Clients of the standard library that may be derived from -> the one method with which they connect."""


def _other_rooms() -> list[tuple[str, ast.Module]]:
    return [(module, tree) for module, tree in trees().items() if module.split(".")[1:2] != ["network"]]


def _name(node: ast.expr) -> str:
    return getattr(node, "attr", getattr(node, "id", ""))


def _makes_a_socket(call: ast.Call) -> bool:
    name = _name(call.func)
    if name == "socket":  # socket.socket(...), but not an attribute like listener.socket
        return "fileno" not in {keyword.arg for keyword in call.keywords}  # that is one which exists already
    if name in ("create_server", "create_connection"):  # asyncio's, with a socket that a host of the lab made
        return "sock" not in {keyword.arg for keyword in call.keywords}
    if name in SOCKET_METHODS:  # which take an address; LDAP's operation of that name (RFC 4511 §4.2) does not
        return bool(call.args or call.keywords)
    return name in MAKES_SOCKETS


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    return (node for node in nodes(tree) if isinstance(node, ast.Call))


def test_no_other_room_makes_or_binds_a_socket():
    for module, tree in _other_rooms():
        assert [call.lineno for call in _calls(tree) if _makes_a_socket(call)] == [], module


def _imported(tree: ast.Module) -> set[str]:
    names = {alias.name for node in nodes(tree) if isinstance(node, ast.Import) for alias in node.names}
    for node in nodes(tree):
        if isinstance(node, ast.ImportFrom):
            names |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def test_no_other_room_imports_a_library_that_connects_by_itself():
    imported = {module: _imported(tree) & NETWORKING_MODULES for module, tree in _other_rooms()}
    assert {module: names for module, names in imported.items() if names} == {}


def test_what_derives_from_a_mail_client_of_the_standard_library_connects_through_a_host():
    for module, tree in _other_rooms():
        for node in nodes(tree):
            if isinstance(node, ast.ClassDef):
                bases = {base.attr for base in node.bases if isinstance(base, ast.Attribute)} & set(CONNECTS)
                methods = {method.name for method in node.body if isinstance(method, ast.FunctionDef)}
                assert all(CONNECTS[base] in methods for base in bases), f"{module}: {node.name} connects by itself"


def test_no_other_room_makes_a_client_of_the_standard_library():
    for module, tree in _other_rooms():
        for call in _calls(tree):
            if isinstance(call.func, ast.Attribute):
                module = getattr(call.func.value, "id", "")
                made = module in {"smtplib", "imaplib", "poplib", "ftplib"} and call.func.attr in CONNECTS
                assert not made, f"{module}, line {call.lineno}"


def test_the_search_finds_a_socket_where_there_is_one():
    for line in ("socket.socket()", "socket.create_connection(a)", "loop.create_server(f, 'h', 1)", "s.bind(a)"):
        assert _makes_a_socket(ast.parse(line).body[0].value)
    for line in (
        "loop.create_server(f, sock=listener.socket)",
        "host.connect('mail', 587)",
        "host.listen(25)",
        "socket.socket(fileno=3)",
        "client.bind()",
    ):
        assert not _makes_a_socket(ast.parse(line).body[0].value)
