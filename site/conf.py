"""Sphinx's settings for the web pages of the lab. render.py executes the pages and calls Sphinx; nothing runs here."""

import re

import labkit

project = "The STARTTLS lab"
author = copyright = "the STARTTLS lab"
release = version = labkit.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc"]
exclude_patterns = ["README.md"]
nb_execution_mode = "off"
nb_merge_streams = True
# No script from elsewhere: the lab's outputs are HTML and SVG, and need none.
nb_ipywidgets_js = {}
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4

# Docstrings write `name` for what is Python.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
add_module_names = False
python_use_unqualified_type_names = True

html_theme = "pydata_sphinx_theme"
html_title = project
html_static_path = ["static"]
html_css_files = ["site.css"]
html_favicon = "static/icon.svg"
html_context = {"default_mode": "auto"}
html_show_sphinx = False
html_sidebars = {"index": [], "cite": [], "changelog": []}
html_theme_options = {
    "logo": {"text": project},
    "navbar_persistent": ["search-button"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_toc_level": 2,
    "back_to_top_button": False,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}


_HEAD = re.compile(r'<th class="(head|stub)')
_CORNER = re.compile(r'<th class="head[^"]*">(<p></p>)?</th>')
_SCOPES = {"head": "col", "stub": "row"}


def _name_scopes(app, name, template, context, doctree):
    """Give header cells of tables a scope (WCAG 2.2, 1.3.1), which docutils leaves out."""
    if "body" in context:
        body = _CORNER.sub("<td></td>", context["body"])  # an empty corner cell heads no row or column
        context["body"] = _HEAD.sub(lambda head: f'<th scope="{_SCOPES[head[1]]}" class="{head[1]}', body)


def setup(app):
    """Sphinx calls this when it has read the settings."""
    app.connect("html-page-context", _name_scopes)
