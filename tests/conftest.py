"""What every test shares: patience for property tests, and interrupts as in a shell.

A shell starts a job in the background with SIGINT ignored, and every process that it starts inherits that: then no test
could press Control-C, in this process or in another one.
"""

import signal

from hypothesis import settings

settings.register_profile("labkit", deadline=None)
settings.load_profile("labkit")

signal.signal(signal.SIGINT, signal.default_int_handler)
