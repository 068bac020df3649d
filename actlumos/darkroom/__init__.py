"""The embedded data set: short dark videos of a person who acts, rendered on this machine.

Read the files in this order:

- which clips there are: `plan`;
- who does what: `body`, `motion`, `gait`, `actions`, `actions_b`, `pose`;
- surfaces: `geometry`, `colour`, `mesh`, `figure`, `props`, `texture`;
- pictures: `camera`, `paint`, `scene`, `places`, `staging`;
- darkness: `sensor`, and `statistics` for the comparison with real clips;
- one clip: `clip`;
- files: `codec`, `worker`, `build`, and `dataset`, which the rest of the package calls.
"""
