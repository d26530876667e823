"""What the words of IMAP mean: commands, responses, response codes, capabilities; one sentence each, for a reader.

RFC 9051 (IMAP4rev2, which says the same as RFC 3501 about most) unless another is named. `imap` recognises the words
in a stream.
"""

import re

COMMANDS = {
    "CAPABILITY": "The client asks what the server can do (RFC 9051 §6.1.1).",
    "NOOP": "The client asks for nothing but news (RFC 9051 §6.1.2).",
    "LOGOUT": "The client ends the conversation (RFC 9051 §6.1.3).",
    "ID": "The client says which program it is (RFC 2971).",
    "STARTTLS": "The client asks to start TLS here, and sends nothing more before the go-ahead (RFC 9051 §6.2.1).",
    "AUTHENTICATE": "The client logs in; what follows is base64, which anyone can decode (RFC 9051 §6.2.2).",
    "LOGIN": "The client logs in with its user name and password as they are (RFC 9051 §6.2.3).",
    "ENABLE": "The client switches extensions on (RFC 9051 §6.3.1).",
    "SELECT": "The client opens a mailbox (RFC 9051 §6.3.2).",
    "EXAMINE": "The client opens a mailbox and will change nothing in it (RFC 9051 §6.3.3).",
    "CREATE": "The client makes a mailbox (RFC 9051 §6.3.4).",
    "DELETE": "The client removes a mailbox (RFC 9051 §6.3.5).",
    "RENAME": "The client gives a mailbox another name (RFC 9051 §6.3.6).",
    "SUBSCRIBE": "The client marks a mailbox as one to look at (RFC 9051 §6.3.7).",
    "UNSUBSCRIBE": "The client takes that mark away (RFC 9051 §6.3.8).",
    "LIST": "The client asks which mailboxes there are (RFC 9051 §6.3.9).",
    "LSUB": "The client asks which mailboxes are marked as ones to look at (RFC 3501 §6.3.9).",
    "NAMESPACE": "The client asks under which names mailboxes lie (RFC 9051 §6.3.10).",
    "STATUS": "The client asks how many messages a mailbox has, without opening it (RFC 9051 §6.3.11).",
    "APPEND": "The client puts a message into a mailbox (RFC 9051 §6.3.12).",
    "IDLE": "The client waits for news until it says DONE (RFC 9051 §6.3.13).",
    "DONE": "The client has waited enough: the end of IDLE, without a tag (RFC 9051 §6.3.13).",
    "CHECK": "The client asks for a checkpoint of the mailbox (RFC 3501 §6.4.1).",
    "CLOSE": "The client closes the mailbox and removes what was marked as deleted (RFC 9051 §6.4.1).",
    "UNSELECT": "The client closes the mailbox as it is (RFC 9051 §6.4.2).",
    "EXPUNGE": "The client removes what was marked as deleted (RFC 9051 §6.4.3).",
    "SEARCH": "The client asks for the messages that fit (RFC 9051 §6.4.4).",
    "FETCH": "The client asks for messages, or parts of them (RFC 9051 §6.4.5).",
    "STORE": "The client sets or takes away flags (RFC 9051 §6.4.6).",
    "COPY": "The client copies messages to a mailbox (RFC 9051 §6.4.7).",
    "MOVE": "The client moves messages to a mailbox (RFC 9051 §6.4.8).",
    "SORT": "The client asks for the messages that fit, in an order (RFC 5256 §3).",
    "THREAD": "The client asks for the messages that fit, with replies under what they reply to (RFC 5256 §3).",
    "REPLACE": "The client puts a message in the place of another (RFC 8508).",
    "ESEARCH": "The client asks for messages that fit, in several mailboxes (RFC 7377).",
    "CONVERT": "The client asks for parts of messages in another format (RFC 5259).",
    "COMPRESS": "The client asks to compress: after the OK, both sides send DEFLATE (RFC 4978 §3).",
    "NOTIFY": "The client says what it wants to be told without asking (RFC 5465).",
    "GETQUOTA": "The client asks how much room there is (RFC 9208 §4.1.1).",
    "GETQUOTAROOT": "The client asks which limits hold for a mailbox (RFC 9208 §4.1.2).",
    "SETQUOTA": "The client sets limits (RFC 9208 §4.1.3).",
    "SETACL": "The client says what a user may do with a mailbox (RFC 4314 §3.1).",
    "DELETEACL": "The client takes a user's rights away (RFC 4314 §3.2).",
    "GETACL": "The client asks who may do what with a mailbox (RFC 4314 §3.3).",
    "LISTRIGHTS": "The client asks which rights a user can be given (RFC 4314 §3.4).",
    "MYRIGHTS": "The client asks what it may do with a mailbox (RFC 4314 §3.5).",
    "GETMETADATA": "The client asks for notes on a mailbox or the server (RFC 5464 §4.2).",
    "SETMETADATA": "The client sets notes on a mailbox or the server (RFC 5464 §4.3).",
    "LANGUAGE": "The client asks for texts in a language (RFC 5255 §3.2).",
    "COMPARATOR": "The client chooses how letters are compared (RFC 5255 §4.7).",
    "CANCELUPDATE": "The client wants to hear no more of a search (RFC 5267 §4.5).",
    "GENURLAUTH": "The client asks for an address under which others can fetch a message (RFC 4467 §7).",
    "RESETKEY": "The client makes such addresses of a mailbox invalid (RFC 4467 §7).",
    "URLFETCH": "The client asks for what stands under such addresses (RFC 4467 §7).",
    "UNAUTHENTICATE": "The client gives up its login and stays connected (RFC 8437).",
    "UID COPY": "The client copies messages, named by unique numbers, to a mailbox (RFC 9051 §6.4.9).",
    "UID EXPUNGE": "The client removes these messages if they were marked as deleted (RFC 9051 §6.4.9).",
    "UID FETCH": "The client asks for messages, or parts of them, by their unique numbers (RFC 9051 §6.4.9).",
    "UID MOVE": "The client moves messages, named by unique numbers, to a mailbox (RFC 9051 §6.4.9).",
    "UID SEARCH": "The client asks for the unique numbers of the messages that fit (RFC 9051 §6.4.9).",
    "UID STORE": "The client sets or takes away flags of messages named by unique numbers (RFC 9051 §6.4.9).",
    "UID SORT": "The client asks for the unique numbers of the messages that fit, in an order (RFC 5256 §3).",
    "UID THREAD": "The client asks for the unique numbers of the messages that fit, in threads (RFC 5256 §3).",
    "UID REPLACE": "The client puts a message in the place of one named by its unique number (RFC 8508).",
}

REPLIES = {
    "OK": "Done: the server did what was asked (RFC 9051 §7.1.1).",
    "NO": "The server understood and did not do it (RFC 9051 §7.1.2).",
    "BAD": "The server did not understand, or the command comes at the wrong time (RFC 9051 §7.1.3).",
    "PREAUTH": "The client counts as logged in already, so it may not ask for TLS any more (RFC 9051 §7.1.4).",
    "BYE": "The server says goodbye and closes the connection (RFC 9051 §7.1.5).",
    "+": "The server waits for the client to go on (RFC 9051 §7.6).",
    "CAPABILITY": "What the server can do.",
    "ENABLED": "The extensions that are on now (RFC 9051 §7.2.1).",
    "ID": "Which program the server is (RFC 2971).",
    "LIST": "A mailbox that there is: its attributes, the character between levels, its name (RFC 9051 §7.3.1).",
    "LSUB": "A mailbox that is marked as one to look at (RFC 3501 §7.2.3).",
    "NAMESPACE": "Under which names mailboxes lie (RFC 9051 §7.3.2).",
    "STATUS": "How many messages a mailbox has (RFC 9051 §7.3.3).",
    "SEARCH": "The numbers of the messages that fit (RFC 3501 §7.2.5).",
    "ESEARCH": "The messages that fit (RFC 9051 §7.3.4).",
    "FLAGS": "The flags that messages in this mailbox may have (RFC 9051 §7.3.5).",
    "EXISTS": "How many messages the mailbox has (RFC 9051 §7.4.1).",
    "RECENT": "How many messages are here for the first time (RFC 3501 §7.3.2).",
    "EXPUNGE": "The message with this number is gone (RFC 9051 §7.5.1).",
    "VANISHED": "The messages with these unique numbers are gone (RFC 7162 §3.2.10).",
    "FETCH": "A message, or parts of it (RFC 9051 §7.5.2).",
    "SORT": "The messages that fit, in order (RFC 5256 §4).",
    "THREAD": "The messages that fit, in threads (RFC 5256 §4).",
    "CONVERTED": "Parts of a message in another format (RFC 5259).",
    "QUOTA": "How much of a limit is used (RFC 9208 §4.2.1).",
    "QUOTAROOT": "Which limits hold for a mailbox (RFC 9208 §4.2.2).",
    "ACL": "Who may do what with a mailbox (RFC 4314 §3.6).",
    "LISTRIGHTS": "Which rights a user can be given (RFC 4314 §3.7).",
    "MYRIGHTS": "What the client may do with a mailbox (RFC 4314 §3.8).",
    "METADATA": "Notes on a mailbox or the server (RFC 5464 §4.4).",
    "LANGUAGE": "The language of texts, or those that there are (RFC 5255 §3.3).",
    "COMPARATOR": "How letters are compared (RFC 5255 §4.8).",
    "GENURLAUTH": "An address under which others can fetch a message (RFC 4467 §8).",
    "URLFETCH": "What stands under an address (RFC 4467 §8).",
}
"""Tagged and untagged responses by their name; ``+`` is the request to go on."""

GREETINGS = {
    "OK": "The server greets; the client is not logged in yet (RFC 9051 §7.1.1).",
    "PREAUTH": REPLIES["PREAUTH"],
    "BYE": "The server will not serve this client (RFC 9051 §7.1.5).",
}

CODES = {
    "ALERT": "The text must be shown to the user, even if an attacker wrote it.",
    "APPENDUID": "Which unique number the new message has (RFC 4315).",
    "AUTHENTICATIONFAILED": "The login was wrong.",
    "AUTHORIZATIONFAILED": "The login was right, but not for this.",
    "BADCHARSET": "The server does not know that character set.",
    "CAPABILITY": "The capabilities, without being asked for them.",
    "CLOSED": "The mailbox that was open before is closed now.",
    "COPYUID": "Which unique numbers the copies have (RFC 4315).",
    "EXPIRED": "The password is too old.",
    "HIGHESTMODSEQ": "Where the last change of the mailbox stands in the order of changes (RFC 7162).",
    "LIMIT": "A limit of the server is reached.",
    "NONEXISTENT": "There is no such mailbox.",
    "NOMODSEQ": "The server does not keep the order of changes of this mailbox (RFC 7162).",
    "NOPERM": "This user may not do that.",
    "OVERQUOTA": "The user has no room left.",
    "PERMANENTFLAGS": "The flags that stay when the mailbox is closed.",
    "PRIVACYREQUIRED": "Not without encryption: STARTTLS is required first.",
    "READ-ONLY": "The mailbox can only be read.",
    "READ-WRITE": "The mailbox can be read and changed.",
    "TRYCREATE": "There is no such mailbox; CREATE would make it.",
    "UIDNEXT": "The unique number that the next message will have.",
    "UIDVALIDITY": "Unique numbers of messages stay good while this number stays the same.",
    "UNAVAILABLE": "Something that the server needs is not there now.",
    "UNSEEN": "The first message that was not seen yet (RFC 3501).",
}
"""Response code, in brackets -> what it adds (RFC 9051 §7.1)."""

CAPABILITIES = {
    "IMAP4REV1": "The server speaks IMAP as in RFC 3501.",
    "IMAP4REV2": "The server speaks IMAP as in RFC 9051.",
    "STARTTLS": "The server offers to start TLS (RFC 9051 §6.2.1). Nothing protects this word from being removed.",
    "LOGINDISABLED": "The server takes no LOGIN as things are: not before TLS (RFC 9051 §6.2.3).",
    "AUTH": "The login mechanisms that the server offers (RFC 9051 §6.2.2).",
    "SASL-IR": "The login may come with AUTHENTICATE in one line (RFC 4959).",
    "IDLE": "The client may wait for news (RFC 2177).",
    "ID": "Client and server may say which programs they are (RFC 2971).",
    "ENABLE": "Extensions can be switched on (RFC 5161).",
    "LITERAL+": "The client may send a literal without waiting (RFC 7888).",
    "LITERAL-": "The client may send a literal of up to 4,096 bytes without waiting (RFC 7888).",
    "NAMESPACE": "The server tells under which names mailboxes lie (RFC 2342).",
    "UIDPLUS": "Unique numbers are told of new and copied messages (RFC 4315).",
    "UNSELECT": "A mailbox can be closed as it is (RFC 3691).",
    "CHILDREN": "The list of mailboxes tells which have others below them (RFC 3348).",
    "MOVE": "Messages can be moved in one step (RFC 6851).",
    "CONDSTORE": "Changes have an order, so a client can ask only for new ones (RFC 7162).",
    "QRESYNC": "A client can catch up in one step (RFC 7162).",
    "SORT": "The server sorts (RFC 5256).",
    "THREAD": "The server puts replies under what they reply to (RFC 5256).",
    "ESEARCH": "Search results can be counted and shortened (RFC 4731).",
    "SPECIAL-USE": "The list of mailboxes tells which is for drafts, sent mail and so on (RFC 6154).",
    "QUOTA": "The server tells how much room there is (RFC 9208).",
    "COMPRESS": "What is said can be compressed (RFC 4978).",
    "UTF8": "Names may hold letters beyond ASCII (RFC 9755).",
    "PREVIEW": "The server gives the first words of a message (RFC 8970).",
}

_TELLING = ("STARTTLS", "LOGINDISABLED")
"""Capabilities that get a sentence of their own in the line that names all."""
_CODE = re.compile(r"\S+ (?:OK|NO|BAD|BYE|PREAUTH) \[([A-Z-]+)([^]]*)", re.IGNORECASE)


def explain(kind: str, title: str, line: str) -> str:
    """What one line of a command or response means, by the name that it stands under."""
    if kind == "greeting":
        return GREETINGS[title] + _code(line)
    if kind == "continuation":
        return "What the command has announced, byte by byte, and the rest of its line (RFC 9051 §4.3)."
    if kind == "untagged" and title in REPLIES:
        return _untagged(title, line) + _code(line)
    if kind == "message" and title in REPLIES:
        return REPLIES[title]
    if title in COMMANDS:
        return COMMANDS[title]
    if title in REPLIES:
        return REPLIES[title] + _code(line)
    return _OTHERS.get(title, "Not a line of IMAP.")


_OTHERS = {
    "message": "The message itself, header and body, with as many bytes as the command has announced (RFC 9051 §4.3).",
    "unknown command": "The lab does not know this command.",
    "unknown response": "The lab does not know this response.",
}


def _untagged(title: str, line: str) -> str:
    if title == "OK":
        return "Something that the client should know."
    if title == "NO":
        return "A warning (RFC 9051 §7.1.2)."
    if title != "CAPABILITY":
        return REPLIES[title]
    return REPLIES[title] + _telling(line)


def _code(line: str) -> str:
    match = _CODE.match(line)
    name = match[1].upper() if match else ""
    if name not in CODES:
        return ""
    return f" {name}: {CODES[name]}" + (_telling(match[2]) if name == "CAPABILITY" else "")


def _telling(line: str) -> str:
    words = line.upper().split()
    return "".join(f" {word}: {CAPABILITIES[word]}" for word in _TELLING if word in words)
