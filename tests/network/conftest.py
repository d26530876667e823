"""Every network that this machine allows, for the tests of what they have in common."""

from contextlib import closing

import pytest
from networks import BEST, made
from thoroughly import every

from labkit.network import KINDS


@pytest.fixture(params=every(KINDS, once=BEST))
def network(request):
    with closing(made(request.param)) as network:
        yield network
