"""What every test shares: patience for property tests."""

from hypothesis import settings

settings.register_profile("labkit", deadline=None)
settings.load_profile("labkit")
