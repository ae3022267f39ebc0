"""For tools that still look here; everything is in pyproject.toml."""

from setuptools import setup

setup()
