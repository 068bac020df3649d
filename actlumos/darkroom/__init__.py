"""The embedded data set: short dark videos of a figure that acts, rendered on this machine.

Read the files in this order: `plan` (which clips), `body` and `movement` and `motion` (who does
what), `mesh` and `figure` and `props` (surfaces), `camera`, `texture`, `scene`, `places`, `paint`
(pictures), `sensor` (darkness), `clip` (one clip), `codec` and `build` (files).
"""
