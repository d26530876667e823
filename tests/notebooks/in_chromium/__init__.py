"""Tests in Chromium. A package, so that what conftest.py makes for its tests ends with the last of them."""
