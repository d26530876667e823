"""The dialogues in a capture file, one at a time; nothing decoded is kept, so memory is bounded for any file.

Use `labkit.show.capture.read_capture` for a capture to keep and view in several ways, and `labkit.decode.shares` for
one so long that several processes decode it.
"""

from collections.abc import Iterator

from labkit.capture.pcap import CaptureFile
from labkit.capture.reassembly import conversations
from labkit.decode.event import Dialogue
from labkit.decode.second_look import SecondLook
from labkit.trust.keylog import Secrets, merge


def dialogues(file: CaptureFile, secrets: Secrets) -> Iterator[Dialogue]:
    """The dialogues in `file`, each as soon as its connection has ended, the unfinished ones last.

    A part of another one, such as FTP's data connection, comes after that one.

    `secrets` open their TLS, and so do those in the file. Raises `CaptureError` for what is not a capture.
    """
    merge(file.secrets, secrets)
    look = second_look(file)
    for _, dialogue in look.in_order(conversations(file.records(), passed_over=file.passed_over)):
        yield dialogue


def second_look(file: CaptureFile) -> SecondLook:
    """A reader for the conversations of a file, with the secrets before the packets and those after them."""
    return SecondLook(file.secrets, file.later_secrets, lambda: conversations(file.again().records()))
