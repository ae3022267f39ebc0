"""Sphinx configuration."""

project = "corduroy"
author = "Corduroy contributors"
copyright = "Corduroy contributors"
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_parser"]
html_theme = "furo"
default_role = "any"
