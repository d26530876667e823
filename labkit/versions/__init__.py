"""Every version of TLS that can still be spoken, tried live: who agrees with whom, from SSL 2.0 to TLS 1.3.

The lab's servers and clients speak what OpenSSL speaks. SSL 3.0 (RFC 6101) and SSL 2.0 are forbidden since RFC 7568 and
RFC 6176; the second is gone from OpenSSL, the first left out as it is usually built. Here, and nowhere else in the lab,
two libraries that still know them take part.
"""

from labkit.versions.matrix import RANGES, Meeting, meet, meet_all

__all__ = ["RANGES", "Meeting", "meet", "meet_all"]
