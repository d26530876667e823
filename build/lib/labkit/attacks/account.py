"""The attacker's own account in the lab: mallory is a customer of the server that she attacks."""

from labkit.dialects.writing import Credentials
from labkit.mail.postoffice import USERS
from labkit.trust.certificates import DOMAIN

NAME = "mallory"
PASSWORD = USERS[NAME]
ADDRESS = f"{NAME}@{DOMAIN}"
ACCOUNT = Credentials(NAME, PASSWORD, ADDRESS)
