"""The paper's stages, and the code that trains them.

    teacher, pretrain, distill, supervised    one file each: network, clips, loss, command, minutes
    recipe, task                              what such a file defines, what the loop gets
    runs, channels                            which clips, at which size
    ensure, train, loop, checkpoint, results  from a name to weights and figures on disk
    memory                                    memory of a training step, before it runs
"""

from actlumos.stages.ensure import ensure
from actlumos.stages.recipe import Recipe, Trained, before, find, load_checkpoint

__all__ = ["Recipe", "Trained", "before", "ensure", "find", "load_checkpoint"]
