"""What each message of TLS is for, in a sentence. Its fields have sentences of their own: `messages`."""

_ALERT = "Alert: "

HANDSHAKE = {
    "HelloRequest": "The server asks the client to start a new handshake (RFC 5246 §7.4.1.1).",
    "ClientHello": "The client opens: the versions, suites and extensions that it offers (RFC 8446 §4.1.2).",
    "ServerHello": "The server answers with its choice of version and cipher suite (RFC 8446 §4.1.3).",
    "HelloRetryRequest": (
        "The server wants another ClientHello, with a key share of the group that it names or with its cookie "
        "(RFC 8446 §4.1.4)."
    ),
    "NewSessionTicket": "A ticket with which the client can resume later, without a full handshake.",
    "EndOfEarlyData": "The client's early data is over; handshake keys come next (RFC 8446 §4.5).",
    "EncryptedExtensions": "The server's answers to extensions that may stay private; the first encrypted message.",
    "Certificate": "The sender's certificate, then those of its issuers; in clear in a first handshake.",
    "CompressedCertificate": "The certificate chain, compressed (RFC 8879).",
    "ServerKeyExchange": "The server's half of the key exchange, signed if it has a certificate (RFC 8422 §5.4).",
    "CertificateRequest": "The server wants a certificate of the client, too.",
    "CertificateVerify": "Signs the handshake so far: the sender holds the private key of its certificate.",
    "ServerHelloDone": "The server has said its part and waits for the client.",
    "ClientKeyExchange": "The client's half of the key exchange; now both sides can compute the keys.",
    "Finished": "A keyed hash over the whole handshake: a change on the way would show here.",
    "CertificateStatus": "Proof, stapled to the handshake, that the server's certificate is not revoked (RFC 6066 §8).",
    "KeyUpdate": "The sender's records are under new keys after this one (RFC 8446 §4.6.3).",
    "encrypted Finished": "By its place Finished: a keyed hash over the whole handshake, the first encrypted message.",
    "encrypted handshake message": "A handshake message under encryption: of another one, or the question for it.",
    "HelloRetryRequest of a draft": "The server wants another key share, in the form of TLS 1.3 before draft 22.",
    "broken handshake message": "Handshake bytes that do not add up to a message.",
}

NO_CERTIFICATE = "No certificate: the sender was asked for one and shows none."

SSL2 = {
    "CLIENT-HELLO": "The client opens in the form of SSL 2.0; the server may go on in something newer (RFC 5246 §E.2).",
    "SERVER-HELLO": "The server answers in SSL 2.0, which RFC 6176 forbids: a certificate, and the ciphers of both.",
    "CLIENT-MASTER-KEY": "The client chooses the cipher and sends the key, encrypted to the server's key.",
    "ERROR": "The handshake of SSL 2.0 fails; nothing proves who sent this.",
    "encrypted SERVER-VERIFY": "By its place SERVER-VERIFY: the server sends the challenge back, so it has the key.",
    "encrypted CLIENT-FINISHED": "By its place CLIENT-FINISHED: it confirms the server's random bytes, not the hellos.",
    "encrypted SERVER-FINISHED": "By its place SERVER-FINISHED, or a request for a certificate of the client.",
    **dict.fromkeys(
        ("CLIENT-FINISHED", "SERVER-VERIFY", "SERVER-FINISHED", "REQUEST-CERTIFICATE", "CLIENT-CERTIFICATE"),
        "A message of SSL 2.0 that should be encrypted, and is not.",
    ),
}

RECORDS = {
    "ChangeCipherSpec": "Up to TLS 1.2: what this side sends next is under the suite and keys agreed (RFC 5246 §7.1).",
    "encrypted ChangeCipherSpec": "Another change of keys, inside a session that is encrypted already.",
    "application data": "What the applications say to each other, encrypted; on the way only its length can be seen.",
    "bytes after a gap": "What follows bytes that are missing from the capture, and does not start a record.",
    "encrypted record": "Encrypted application data; in TLS 1.3 it may be a handshake message or an alert, too.",
    "encrypted alert": "An alert under encryption; as the last record it mostly says close_notify.",
    "heartbeat": "A sign of life (RFC 6520).",
    "encrypted heartbeat": "A sign of life, encrypted (RFC 6520).",
    "not TLS": "These bytes are not a TLS record, although TLS should be spoken here.",
    "unfinished record": "A record whose end was not sent, or is missing from the capture.",
    "unknown content": "A record with a type of content that TLS does not know.",
}

IN_TLS13 = {
    "Certificate": "The sender's certificate, then those of its issuers; encrypted in TLS 1.3, hidden from others.",
    "encrypted record": "Encrypted; TLS 1.3 does not even show whether it is handshake, alert or application data.",
    "ChangeCipherSpec": "Means nothing in TLS 1.3: devices on the way shall take this for TLS 1.2 (RFC 8446 §D.4).",
}
"""What is different in TLS 1.3."""

ALERT = {
    "close_notify": "The sender will send nothing more: the regular end of a session.",
    "unexpected_message": "A message came that has no place here.",
    "bad_record_mac": "A record could not be authenticated: it was changed on the way, or the keys differ.",
    "record_overflow": "A record was too long.",
    "handshake_failure": "No set of parameters suits both sides: often no cipher suite in common.",
    "bad_certificate": "The certificate is damaged, or its signature does not fit.",
    "unsupported_certificate": "The certificate is of a kind that the sender does not support.",
    "certificate_revoked": "The certificate was revoked by its issuer.",
    "certificate_expired": "The certificate is no longer, or not yet, good.",
    "certificate_unknown": "Something else makes the certificate unacceptable.",
    "illegal_parameter": "A field has a value that is not allowed.",
    "unknown_ca": "The sender does not trust the authority that issued the certificate: unknown or self-signed.",
    "access_denied": "The certificate is good, but not for getting in here.",
    "decode_error": "A message could not be taken apart.",
    "decrypt_error": "A signature or a Finished message does not fit the handshake.",
    "protocol_version": "The two sides have no version of TLS in common.",
    "insufficient_security": "The server wants stronger parameters than the client offers.",
    "internal_error": "Something failed inside the sender, which has nothing to do with the other side.",
    "inappropriate_fallback": "The client came back with an older version than needed: a downgrade (RFC 7507).",
    "user_canceled": "The handshake was given up for a reason outside the protocol.",
    "no_renegotiation_RESERVED": "The sender does not want a new handshake in this session.",
    "missing_extension": "An extension that must be there is not.",
    "unsupported_extension": "An extension came that was not offered.",
    "unrecognized_name": "The server does not have the name that the client wants (RFC 6066 §3).",
    "bad_certificate_status_response": "The stapled proof of non-revocation is not good.",
    "unknown_psk_identity": "No acceptable session or key to resume.",
    "certificate_required": "The server wants a certificate and the client sent none.",
    "no_application_protocol": "No application protocol in common (RFC 7301).",
}


_UNFINISHED = "unfinished "


def _message(title: str) -> str:
    return HANDSHAKE.get(title.removeprefix(_UNFINISHED), "of a type that TLS does not know.")


def meaning_of(title: str, version: str) -> str:
    """The sentence for the message of that title, in that version of TLS."""
    if title.startswith(_ALERT):
        return ALERT.get(title.removeprefix(_ALERT), "An alert that is malformed, reserved or not known.")
    if title.startswith(_UNFINISHED) and title not in RECORDS:
        return f"The beginning of a message, whose end was not sent or is missing from the capture: {_message(title)}"
    special = IN_TLS13.get(title) if version == "TLS 1.3" else None
    return (
        special or HANDSHAKE.get(title) or SSL2.get(title) or RECORDS.get(title) or "A message that TLS does not know."
    )
