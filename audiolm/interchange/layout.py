"""What every foreign layout has: a name, a config mapped both ways, tensors by rules; and what is refused alike."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from torch import Tensor, nn

from audiolm.config.schema import plain
from audiolm.errors import AudiolmError, first_line
from audiolm.interchange.rules import Rule, load_state, save_state
from audiolm.train.options import flatten
from audiolm.train.tensors import check_same_tensors

Config = TypeVar("Config")


class Layout(ABC, Generic[Config]):
    """One foreign layout: its config and its tensors, mapped both ways by tables.

    Class attributes:
        name: what users call it (``audiolm export --to``).
        what: it is, in words.
    """

    name: ClassVar[str]
    what: ClassVar[str]

    @abstractmethod
    def load_config(self, theirs: Mapping[str, Any]) -> Config:
        """Their config -> ours.

        Raises:
            AudiolmError: it asks for what our models do not do; the message names the key.
        """

    @abstractmethod
    def save_config(self, config: Config) -> dict[str, Any]:
        """Our config -> theirs; what theirs cannot say is left out.

        Raises:
            AudiolmError: a model of another kind.
        """

    @abstractmethod
    def rules(self, config: Config) -> Sequence[Rule]:
        """The tensors of a model of this config, in both layouts."""

    def compare(self, config: Config) -> Config:
        """A config as it is compared with what comes back; by default as it is."""
        return config

    def lost(self, config: Config, theirs: Mapping[str, Any], passed_over: Sequence[str], prefix: str = "") -> str:
        """What their config could not say of ours, and would come back as something else; empty where all is said.

        Args:
            theirs: what `save_config` has made of ``config``.
            passed_over: last parts of keys that say how a model is trained, not what it computes.
            prefix: of keys, for the message.
        """
        pair = config, self.load_config(theirs)
        ours, back = (dict(flatten(plain(self.compare(each)))) for each in pair)
        told = [
            f"{prefix}{key} is {ours.get(key)!r}, there it is {back.get(key)!r}"
            for key in {**ours, **back}
            if key.rpartition(".")[2] not in passed_over and ours.get(key) != back.get(key)
        ]
        return "; ".join(told[:3]) + (f" and {len(told) - 3} more" if len(told) > 3 else "")


def fill(model: nn.Module, rules: Sequence[Rule], found: Mapping[str, Tensor], unused: Mapping[str, Tensor]) -> None:
    """Give a model whose parameters take no memory yet the tensors of another layout.

    Args:
        found: their tensors.
        unused: what our tensors are that their layout does not hold.

    Raises:
        AudiolmError: other tensors than the model has.
    """
    check_same_tensors(save_state(rules, model.state_dict()), found)
    model.load_state_dict({**unused, **load_state(rules, found)}, assign=True)


@contextmanager
def blamed(where: Path, what: str) -> Iterator[None]:
    """Errors of reading a foreign model name the file; values that no config should have are one line.

    Args:
        what: the config should make: "codec".

    Raises:
        AudiolmError: in place of them.
    """
    try:
        yield
    except AudiolmError as error:
        raise AudiolmError(f"{where}: {error}") from None
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise AudiolmError(f"{where}: its config makes no {what}: {first_line(error)}; get it again") from None
