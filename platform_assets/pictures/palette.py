"""Colours of pictures and pages, for light and for dark surroundings.

Belongs here: colours and the style sheet that carries them. Does not belong here: who uses which.

Blue, orange and purple are told apart by red-blind, green-blind and blue-blind eyes and in grey print, and keep a contrast of 4.5 to 1
with the paper of their theme; a picture still says by a word, a shape or a dash what a colour says.
"""

from __future__ import annotations

from types import MappingProxyType

INK, SOFT, LINE, PAPER, BOX = "#17212b", "#566270", "#d5dbe1", "#ffffff", "#f5f7f9"
BLUE, ORANGE, PURPLE = "#0b63a8", "#a34700", "#6b3fa0"
RED, YELLOW, GREEN, GREY = "#b3261e", "#7d5700", "#00695c", "#8a94a0"
SERIES = (BLUE, ORANGE, PURPLE, GREEN, GREY)
"""Colours of things of one kind, in the order in which they are given out."""

IN_THE_DARK = MappingProxyType(
    {
        INK: "#e6ebf0",
        SOFT: "#9fabb8",
        LINE: "#323c46",
        PAPER: "#11161b",
        BOX: "#1a2128",
        BLUE: "#6cb6ff",
        ORANGE: "#ffa657",
        PURPLE: "#c9a6ff",
        RED: "#ff8f85",
        YELLOW: "#f2c14e",
        GREEN: "#62d2bd",
        GREY: "#7d8896",
    }
)
"""What each colour becomes on a dark page."""

VARIABLES = MappingProxyType(
    {
        INK: "--text",
        SOFT: "--soft",
        LINE: "--line",
        PAPER: "--page",
        BOX: "--box",
        BLUE: "--a",
        ORANGE: "--b",
        PURPLE: "--c",
        RED: "--red",
        YELLOW: "--yellow",
        GREEN: "--ok",
        GREY: "--muted",
    }
)
"""What each colour is called in a style sheet."""


def colour_variables() -> str:
    """A style sheet's colours, as variables that follow the reader's theme."""
    light, dark = (
        " ".join(f"{VARIABLES[colour]}: {shown};" for colour, shown in theme.items())
        for theme in ({colour: colour for colour in VARIABLES}, IN_THE_DARK)
    )
    return (
        f":root {{ color-scheme: light dark; {light} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"
    )
