"""Imported once by the fork server of the tests: what every training process needs."""

import torch.utils.tensorboard  # noqa: F401
import toy_systems  # noqa: F401

import audiolm.train.loop  # noqa: F401
from audiolm.train.devices import fabric_classes

fabric_classes()
