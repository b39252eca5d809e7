"""Training: one loop for every system, its configuration, checkpoints and random draws.

Start at :mod:`audiolm.train.system` for what a new system must offer, at :mod:`audiolm.train.config` for what a run can
be told, and at :mod:`audiolm.train.loop` for what happens in a step.
"""
