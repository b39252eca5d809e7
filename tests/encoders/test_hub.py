"""Weights by path or hub id: found, or one line at once."""

import socket
import time

import pytest

pytest.importorskip("huggingface_hub")

from audiolm.encoders import hub
from audiolm.encoders.hub import find_weights, reachable
from audiolm.errors import AudiolmError


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(socket, "create_connection", refuse)


def test_a_folder_is_itself_if_it_holds_what_it_must(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(AudiolmError, match=r"holds no \*.safetensors or \*.bin, expected the folder of a model"):
        find_weights(str(tmp_path), "model", "config.json", ["*.safetensors", "*.bin"])
    (tmp_path / "model.bin").write_text("")
    assert find_weights(str(tmp_path), "model", "config.json", ["*.safetensors", "*.bin"]) == tmp_path
    with pytest.raises(AudiolmError, match="holds no config.yaml"):
        find_weights(str(tmp_path), "model", "config.yaml")


@pytest.mark.parametrize("name", ["./gone", "/gone/away", "gone", "a/b/c", "../x/y"])
def test_what_is_neither_folder_nor_hub_id_is_told(name):
    with pytest.raises(AudiolmError, match="expected an existing folder with config.json, or a hub id"):
        find_weights(name, "model", "config.json")


def test_a_hub_id_without_a_network_is_one_line_at_once(no_network, tmp_path):
    began = time.monotonic()
    with pytest.raises(AudiolmError, match="no model 'owner/no-such-model' in the cache .*hf download") as error:
        find_weights("owner/no-such-model", "model", "config.json", ["*.safetensors"])
    assert time.monotonic() - began < 5 and "\n" not in str(error.value)


def test_the_cache_serves_without_a_network(no_network, tmp_path, monkeypatch):
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    (snapshot / "config.json").write_text("{}")
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda name, **options: str(snapshot))
    assert find_weights("owner/model", "model", "config.json") == snapshot
    with pytest.raises(AudiolmError, match="cannot be reached"):  # half a download is none
        find_weights("owner/model", "model", "config.json", ["*.safetensors"])


def test_the_preferred_weights_are_fetched_and_no_others(tmp_path, monkeypatch):
    asked = []

    def download(name, allow_patterns=(), local_files_only=False):
        if local_files_only:
            raise hub_error("not cached")
        asked.append(list(allow_patterns))
        for pattern in allow_patterns:
            if pattern in ("config.json", "*.bin"):
                (tmp_path / pattern.replace("*", "model")).write_text("")
        return str(tmp_path)

    from huggingface_hub.errors import LocalEntryNotFoundError as hub_error

    monkeypatch.setattr(hub, "reachable", lambda url: True)
    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert find_weights("owner/model", "model", "config.json", ["*.safetensors", "*.bin", "*.h5"]) == tmp_path
    assert [patterns[-1] for patterns in asked] == ["config.json", "*.safetensors", "*.bin"]


def test_reachable_asks_the_host_or_its_proxy(monkeypatch):
    asked = []
    monkeypatch.setattr(socket, "create_connection", lambda place, timeout: asked.append(place) or socket.socket())
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert reachable("https://hub.example/x")
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    assert reachable("https://hub.example/x")
    assert asked == [("hub.example", 443), ("proxy.example", 3128)]
