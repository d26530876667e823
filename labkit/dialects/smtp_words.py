"""What the words of SMTP mean: commands, reply codes, capabilities, status codes; one sentence each, for a reader.

RFC 5321 unless another is named. `smtp` recognises the words in a stream.
"""

COMMANDS = {
    "EHLO": "The client says its name and asks what the server can do (RFC 5321 §4.1.1.1).",
    "HELO": "The old way to say its name: no capabilities come back, so no STARTTLS either (RFC 5321 §4.1.1.1).",
    "STARTTLS": "The client asks to start TLS here, and sends nothing more before the go-ahead (RFC 3207 §4).",
    "AUTH": "The client logs in; what follows is base64, which anyone can decode (RFC 4954).",
    "MAIL": "The client begins a message and gives the address that failures go back to (RFC 5321 §4.1.1.2).",
    "RCPT": "The client names one recipient (RFC 5321 §4.1.1.3).",
    "DATA": "The client asks to send the message itself (RFC 5321 §4.1.1.4).",
    "BDAT": "The client sends the message in a chunk of the size that it names (RFC 3030).",
    "RSET": "The client drops the message that it had begun (RFC 5321 §4.1.1.5).",
    "NOOP": "The client asks for nothing but a reply (RFC 5321 §4.1.1.9).",
    "VRFY": "The client asks whether an address exists (RFC 5321 §4.1.1.6).",
    "EXPN": "The client asks who is on a mailing list (RFC 5321 §4.1.1.7).",
    "HELP": "The client asks for help (RFC 5321 §4.1.1.8).",
    "BURL": "The client tells where the message can be fetched, instead of sending it (RFC 4468).",
    "ETRN": "The client asks the server to send on what it holds for a host (RFC 1985).",
    "ATRN": "The client asks to change places: what the server holds for it comes back on this connection (RFC 2645).",
    "TURN": "The client asks to change places, without a login (RFC 5321 §F.1).",
    "SEND": "The old way to begin a message for a terminal (RFC 5321 §F.6).",
    "SOML": "The old way to begin a message for a terminal or a mailbox (RFC 5321 §F.6).",
    "SAML": "The old way to begin a message for a terminal and a mailbox (RFC 5321 §F.6).",
    "XCLIENT": "A proxy tells for which client it speaks; the session begins anew (Postfix).",
    "XFORWARD": "A filter tells from which client the message came (Postfix).",
    "X-ANONYMOUSTLS": "The client asks to start TLS without a certificate that is checked (Microsoft Exchange).",
    "X-EXPS": "The client logs in as one server to another; what follows is base64 (Microsoft Exchange).",
    "QUIT": "The client ends the conversation (RFC 5321 §4.1.1.10).",
}

REPLIES = {
    "211": "The server describes its state.",
    "214": "The server helps.",
    "220": "The server is ready.",
    "221": "The server says goodbye and closes the connection.",
    "235": "The login was right (RFC 4954 §6).",
    "250": "Done: the server accepts what was asked.",
    "251": "The server accepts the recipient and will forward the message.",
    "252": "The server will not check the address, but takes mail for it.",
    "334": "The server asks for the next part of the login (RFC 4954 §4).",
    "354": "The server waits for the message; a line with a single dot ends it.",
    "421": "The server gives up and closes the connection.",
    "432": "The password has to be changed first (RFC 4954 §6).",
    "450": "The mailbox cannot take the message now; the client may try later.",
    "451": "Something went wrong in the server; the client may try later.",
    "452": "The server has no room now; the client may try later.",
    "454": "TLS, or the login, is not available now (RFC 3207 §4, RFC 4954 §6).",
    "455": "The server cannot honour the parameters now.",
    "500": "The server does not know the command.",
    "501": "The server does not understand the command's argument.",
    "502": "The server knows the command but does not offer it.",
    "503": "The command comes at the wrong time.",
    "504": "The server does not offer that parameter or mechanism.",
    "523": "That login mechanism needs encryption first (RFC 5248).",
    "530": "Not before something else: STARTTLS (RFC 3207 §4) or a login (RFC 4954 §6) is required first.",
    "534": "The login mechanism is too weak (RFC 4954 §6).",
    "535": "The login was wrong (RFC 4954 §6).",
    "538": "That login mechanism needs encryption first (RFC 4954 §6).",
    "550": "Refused: the mailbox does not exist or the server's policy forbids it.",
    "551": "The recipient is elsewhere.",
    "552": "The message is too large, or the mailbox is full.",
    "553": "The address is not allowed.",
    "554": "The server refuses: the transaction failed, or no service here.",
    "555": "The server does not know a parameter of MAIL or RCPT.",
}

GREETINGS = {
    "220": "The server greets, says its name, and is ready (RFC 5321 §3.1).",
    "554": "The server greets and will not take mail (RFC 5321 §3.1).",
}

CAPABILITIES = {
    "STARTTLS": "The server offers to start TLS (RFC 3207). Nothing protects this line from being removed.",
    "AUTH": "The login mechanisms that the server offers (RFC 4954).",
    "SIZE": "The largest message, in bytes, that the server takes (RFC 1870).",
    "8BITMIME": "Messages may hold bytes above 127 (RFC 6152).",
    "SMTPUTF8": "Addresses may hold letters beyond ASCII (RFC 6531).",
    "PIPELINING": "The client may send several commands without waiting (RFC 2920).",
    "CHUNKING": "Messages may come in chunks, with BDAT (RFC 3030).",
    "BINARYMIME": "Messages may be binary (RFC 3030).",
    "DSN": "The client may ask for delivery reports (RFC 3461).",
    "ENHANCEDSTATUSCODES": "Replies carry a second, finer code (RFC 2034).",
    "REQUIRETLS": "The client may demand TLS for the rest of the way (RFC 8689).",
    "DELIVERBY": "The client may say until when to deliver (RFC 2852).",
    "ETRN": "The client may ask for queued mail (RFC 1985).",
    "BURL": "The message can be fetched by the server itself (RFC 4468).",
    "LIMITS": "How many messages and recipients the server takes (RFC 9422).",
    "MT-PRIORITY": "Messages may have a priority (RFC 6710).",
    "FUTURERELEASE": "The client may say when to deliver (RFC 4865).",
    "ATRN": "Client and server may change places (RFC 2645).",
    "XCLIENT": "A proxy may tell for which client it speaks (Postfix).",
    "XFORWARD": "A filter may tell from which client a message came (Postfix).",
    "X-ANONYMOUSTLS": "The server starts TLS without a certificate that is checked (Microsoft Exchange).",
    "X-EXPS": "How one server can log in to another (Microsoft Exchange).",
    "VRFY": "The server knows the command VRFY.",
    "EXPN": "The server knows the command EXPN.",
    "HELP": "The server knows the command HELP.",
}

_CLASSES = {"2": "success", "4": "a failure that may pass", "5": "a lasting failure"}
"""First digit of an enhanced status code (RFC 3463 §2)."""


def explain(kind: str, title: str, line: str) -> str:
    """What one line of a command or reply means, by the verb or reply code that it stands under."""
    if kind == "greeting":
        return GREETINGS.get(title, REPLIES.get(title, "A greeting with a code that RFC 5321 does not define."))
    if title in COMMANDS:
        return COMMANDS[title]
    if title == "250":
        return _accepted(line)
    if title in REPLIES:
        return REPLIES[title] + _status(line)
    if title.isdigit():
        return f"A reply with a code that RFC 5321 does not define; its first digit says {_kind(title)}."
    return _OTHERS.get(title, "Not a line of SMTP.")


_OTHERS = {
    "message": "The message itself, header and body, or a chunk of it (RFC 5321 §4.1.1.4, RFC 3030 §2).",
    "unknown command": "The lab does not know this command.",
}


def _accepted(line: str) -> str:
    words = line[4:].split()
    keyword = words[0].upper().split("=", 1)[0] if words else ""
    if keyword in CAPABILITIES:
        return CAPABILITIES[keyword]
    if line[3:4] == "-":
        return (
            "The server says its name."
            if "." in keyword
            else "The server's name, or a capability that the lab does not know."
        )
    return REPLIES["250"] + _status(line)


def _status(line: str) -> str:
    words = line[4:].split()
    parts = words[0].split(".") if words else []
    if len(parts) != 3 or not all(part.isdigit() for part in parts) or parts[0] not in _CLASSES:
        return ""
    return f" {words[0]} is the enhanced status code: {_CLASSES[parts[0]]} (RFC 3463)."


def _kind(code: str) -> str:
    return {"2": "success", "3": "go on", "4": "failure for now", "5": "failure"}.get(code[0], "nothing known")
