"""A configuration of unbound as a validating resolver of the zone ``test``, whose name server is the lab's."""

from pathlib import Path

_CONF = """
server:
  directory: "{folder}"
  username: ""
  chroot: ""
  pidfile: ""
  use-syslog: no
  do-ip6: no
  module-config: "validator iterator"
  local-zone: "test." nodefault
  trust-anchor: "test. DS {ds}"
{more}
stub-zone:
  name: "test."
  stub-addr: {name_server}
"""


def unbound_conf(folder: Path, ds: str, name_server: str, *more: str) -> str:
    """The text of unbound.conf(5); `ds` is the trust anchor's DS record, `more` are further lines of ``server:``."""
    return _CONF.format(folder=folder, ds=ds, name_server=name_server, more="\n".join(f"  {line}" for line in more))
