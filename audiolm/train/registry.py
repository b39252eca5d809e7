"""Short names of the systems that ``audiolm train`` knows; a system's module is imported only when it is asked for."""

from importlib import import_module

from audiolm.errors import AudiolmError, did_you_mean

# name in the config (`system: …`) -> module:class
SYSTEMS = {
    "recognizer": "audiolm.recognizer.system:RecognizerSystem",
    "codec": "audiolm.codec.system:CodecSystem",
    "textlm": "audiolm.models.textlm.system:TextLMSystem",
    "moshi": "audiolm.models.moshi.system:MoshiSystem",
}


def system_class(name: str) -> type:
    """Return the System class called ``name``: a name of :data:`SYSTEMS`, or ``package.module:Class`` of one's own.

    Raises:
        AudiolmError: no such name, module or class.
    """
    where = SYSTEMS.get(name, name)
    module_name, _, class_name = where.partition(":")
    if not class_name:
        raise AudiolmError(f"unknown system '{name}'{did_you_mean(name, SYSTEMS)} (or package.module:Class)")
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not module_name.startswith(error.name):
            raise  # the module is there, one of its own imports is not
        raise AudiolmError(f"system '{name}': no module '{error.name}' on the Python path") from error
    try:
        return getattr(module, class_name)
    except AttributeError:
        raise AudiolmError(f"system '{name}': module '{module_name}' has no class '{class_name}'") from None
