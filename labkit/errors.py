"""The errors of the lab. Each message says what was expected, what came, and what to do next."""


class LabError(Exception):
    """Anything that the lab refuses or cannot do; the message is written for a learner."""


class OutsideTheLab(LabError):
    """An address that is neither loopback nor in the lab's own namespace; it was not used."""


class PortTaken(LabError):
    """A host of the lab already listens on that port."""


class NotListening(LabError):
    """Nothing in the lab listens on that host and port."""


class CannotSniff(LabError):
    """This process may not open a packet socket here; the tap serves instead."""


class Exhausted(LabError):
    """The system gives this process no more file descriptors, processes, threads, memory or room on the disk."""


class CaptureError(LabError):
    """A file or a packet that cannot be read as a capture."""


class NetworkUnavailable(LabError):
    """This machine does not allow the network that was asked for."""


class VectorFailed(LabError):
    """A vector raised an error or returned something other than an action; that session has ended."""
