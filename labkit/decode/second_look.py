"""Dialogues of a capture whose secrets are elsewhere: after the packets, or in the session that was resumed.

A session that cannot be decrypted is tried again: its secrets may be in the rest of the file (pcapng allows them
anywhere), and up to TLS 1.2 a resumed session has the master secret of an earlier one (RFC 5246 §F.1.4, RFC 5077),
which may not have ended yet. A connection that only carries content may belong to a conversation that ends after it.
Each of these searches is made once, for the first session or connection that needs it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from heapq import heappop, heappush
from operator import itemgetter

from labkit.capture.conversation import Conversation
from labkit.decode.beginning import spoken
from labkit.decode.dialogue import read
from labkit.decode.event import TLS, Dialogue
from labkit.decode.further import Announced, announces, as_part, joined, may_be_part
from labkit.decode.tls import problems
from labkit.decode.tls.older import OlderSecrets
from labkit.trust.keylog import RESUMED, Secrets, merge

DialoguePlace = tuple[int, ...]
"""Where a dialogue belongs among those of a capture: the frames with which it ends and begins. A part of another one
has those of that one, and the frame with which it begins itself."""

_MOST_LATE = 1000
"""How many dialogues may wait for the one that they are part of."""
_OTHER_RESUMPTION = "TLS 1.3"
"""The version in which resumed sessions have secrets of their own."""


def read_all(
    conversations: Sequence[Conversation], secrets: Secrets | None = None, names: Mapping[str, str] | None = None
) -> Iterator[Dialogue]:
    """The dialogues in all conversations of a capture, one at a time. None for `secrets` is the eavesdropper's view."""
    if secrets is None:
        return joined(read(conversation, None, names) for conversation in conversations)
    look = SecondLook(dict(secrets), dict, lambda: conversations, without={})
    return joined(look.read(conversation, names) for conversation in conversations)


class SecondLook:
    """Reads the conversations of one capture with its secrets, and again with secrets that are found later.

    `secrets` are those that are known at first, which may grow while they are used; `without` is what is read with
    while there are none, where None gives the eavesdropper's view. `later` gives all that the capture holds, and
    `everything` its conversations from the beginning.
    """

    def __init__(
        self,
        secrets: Secrets,
        later: Callable[[], Secrets],
        everything: Callable[[], Iterable[Conversation]],
        without: Secrets | None = None,
    ) -> None:
        self._secrets = secrets
        self._without = without
        self._later = later
        self._everything = everything
        self._has_later = self._has_earlier = False
        self._announced: Announced | None = None
        self._ends: dict[str, DialoguePlace] = {}
        """Name of a conversation that has parts -> the place at which it ends."""

    def read(self, conversation: Conversation, names: Mapping[str, str] | None = None) -> Dialogue:
        """The dialogue in one of the conversations."""
        dialogue = read(conversation, self._secrets or self._without, names)
        if _lacks_secret(dialogue) and not self._has_later:
            self._has_later = True
            merge(self._secrets, self._later())
            dialogue = read(conversation, self._secrets or self._without, names)
        if _lacks_secret(dialogue) and _is_resumed(dialogue) and self._secrets and not self._has_earlier:
            self._has_earlier = True
            merge(self._secrets, self._resumable())
            dialogue = read(conversation, self._secrets, names)
        return dialogue

    def in_order(self, conversations: Iterable[Conversation]) -> Iterator[tuple[DialoguePlace, Dialogue]]:
        """The dialogues with their places, each as soon as it has ended; a part of another one comes after that one."""
        late: list[tuple[DialoguePlace, int, Dialogue]] = []
        for number, conversation in enumerate(conversations):
            dialogue, own = self._as_part(self.read(conversation)), _end(conversation)
            while late and late[0][0] < own:
                place, _, part = heappop(late)
                yield place, part
            place = (*self._ends[dialogue.part_of], conversation.began) if dialogue.part_of else own
            if place > own and len(late) < _MOST_LATE:
                heappush(late, (place, number, dialogue))
            else:
                yield own, dialogue
        yield from ((place, part) for place, _, part in sorted(late, key=itemgetter(0, 1)))

    def _as_part(self, dialogue: Dialogue) -> Dialogue:
        """The dialogue with `part_of` set, even if the conversation that it is part of ends after it."""
        if not may_be_part(dialogue):
            return dialogue
        if self._announced is None:
            self._announced = {}
            for conversation in self._everything():
                dialect = spoken(conversation)
                if dialect is not None and dialect.further is not None:
                    further = announces(self.read(conversation))
                    self._announced.update(further)
                    self._ends.update(dict.fromkeys(further.values(), _end(conversation)))
        return as_part(dialogue, self._announced)

    def _resumable(self) -> Secrets:
        """Session identifier or ticket -> master secret, for all sessions of the capture."""
        found: Secrets = {}
        waiting = [session for conversation in self._everything() for session in self._sessions(conversation)]
        progress = True
        while progress:
            progress = False
            for session in waiting:
                earlier = next((found[name][RESUMED] for name in session.resumes if name in found), b"")
                if master := session.master() or earlier:
                    fresh = [name for name in session.names if name not in found]
                    found.update({name: {RESUMED: master} for name in fresh})
                    progress = progress or bool(fresh)
        return found

    def _sessions(self, conversation: Conversation) -> Iterable[OlderSecrets]:
        """The secrets of the TLS sessions in a conversation, as far as they are known."""
        streams = {event.origin for event in read(conversation, self._secrets).events if event.layer == TLS}
        return [stream.older for stream in streams]


def _end(conversation: Conversation) -> DialoguePlace:
    return conversation.over, conversation.began


def _lacks_secret(dialogue: Dialogue) -> bool:
    session = dialogue.session
    return session is not None and problems.lacks_secret(session.problem)


def _is_resumed(dialogue: Dialogue) -> bool:
    session = dialogue.session
    return session is not None and session.resumed and not session.version.startswith(_OTHER_RESUMPTION)
