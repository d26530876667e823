"""The attacker's own account in the lab: anybody can be a customer of the server that she attacks."""

from labkit.mail.postoffice import USERS
from labkit.trust.certificates import DOMAIN

NAME = "mallory"
PASSWORD = USERS[NAME]
ADDRESS = f"{NAME}@{DOMAIN}"
