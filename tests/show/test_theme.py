import re

from labkit.show.theme import COLOURS, STYLE

READ_ON = {
    "ink": ("paper", "raised", "by-client", "by-server", "random", "structure"),
    "soft": ("paper", "raised"),
    "tcp": ("paper", "raised"),
    "clear": ("paper", "raised"),
    "tls": ("paper", "raised"),
    "sealed": ("paper", "raised"),
    "right": ("paper", "raised"),
    "wrong": ("paper", "raised"),
    "secret-ink": ("secret",),
}


def luminance(colour):
    """Relative luminance, WCAG 2.2."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_text_can_be_read_on_light_and_on_dark_paper():
    for role, papers in READ_ON.items():
        for paper in papers:
            for mode in ("light", "dark"):
                ratio = contrast(getattr(COLOURS[role], mode), getattr(COLOURS[paper], mode))
                assert ratio >= 4.5, f"{role} on {paper}, {mode}: {ratio:.2f}"


def test_each_role_has_a_light_colour_of_its_own_so_that_a_picture_can_be_recoloured():
    assert len({shade.light for shade in COLOURS.values()}) == len(COLOURS)


def test_the_style_sheet_changes_nothing_else_on_the_page():
    rules = re.sub(r"@media[^{]*\{(.*?\})\}", r"\1", STYLE.removeprefix("<style>").removesuffix("</style>"))
    for selectors in re.findall(r"([^{}]+)\{", rules):
        for selector in selectors.split(","):
            assert ".labkit" in selector, selector
