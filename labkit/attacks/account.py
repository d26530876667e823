"""The attacker's own account in the lab: anybody can be a customer of the server that she attacks."""

from labkit.certificates import DOMAIN
from labkit.servers.postoffice import USERS

NAME = "mallory"
PASSWORD = USERS[NAME]
ADDRESS = f"{NAME}@{DOMAIN}"
