"""The house style of pictures: colours, numbers, axes, and a figure as PNG or as an image that follows the reader's theme.

Belongs here: what every picture shares. Does not belong here: what is drawn (each stage draws its own), computing it.
"""
