"""Pictures as text: PNG files as data URIs, mel spectrograms, waveforms as SVG paths. No plotting library."""

import base64
import io
import struct
import zlib

import numpy as np
import soundfile

# From silence to loud: dark blue, violet, orange, pale yellow; linear in between.
COLOURS = np.array(
    [[13, 16, 38], [45, 27, 94], [110, 35, 120], [176, 52, 105], [228, 92, 69], [250, 158, 76], [252, 231, 170]],
    dtype=np.float64,
)
DYNAMIC_RANGE = 60.0  # dB from the loudest to the darkest


def png_uri(pixels: np.ndarray) -> str:
    """An RGB picture, uint8 [height, width, 3], as a ``data:`` URI (PNG specification, third edition)."""
    height, width, _ = pixels.shape
    raw = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1).tobytes()

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    file = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(file).decode()


def audio_uri(wav: np.ndarray, fs: int) -> str:
    """Sound, float [samples] or [samples, channels], as a ``data:`` URI of a 16-bit FLAC file."""
    file = io.BytesIO()
    soundfile.write(file, np.clip(wav, -1, 1), fs, format="FLAC", subtype="PCM_16")
    return "data:audio/flac;base64," + base64.b64encode(file.getvalue()).decode()


def log_mel(wav: np.ndarray, fs: int, n_mels: int = 80, hop: float = 0.010, window: float = 0.032) -> np.ndarray:
    """Mel spectrogram in dB below its loudest point, [n_mels, frames], low frequencies first.

    Triangular filters of equal area up to fs / 2 on the mel scale of O'Shaughnessy, 2595 · log10(1 + f / 700).
    """
    size, step = round(window * fs), round(hop * fs)
    padded = np.pad(wav, (size // 2, size))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::step][: len(wav) // step + 1]
    power = np.abs(np.fft.rfft(frames * np.hanning(size), axis=1)) ** 2  # [frames, bins]
    mel = np.linspace(0, 2595 * np.log10(1 + fs / 2 / 700), n_mels + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    bins = np.fft.rfftfreq(size, 1 / fs)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    filters = np.maximum(0, np.minimum(rising, falling)) * 2 / (edges[2:] - edges[:-2])  # [bins, n_mels]
    # Narrow low filters may fall between two bins: such a filter takes the nearest one.
    empty = filters.sum(axis=0) == 0
    nearest = np.abs(bins - edges[1:-1]).argmin(axis=0)
    filters[nearest[empty], np.flatnonzero(empty)] = 1e-3
    decibels = 10 * np.log10(power @ filters + 1e-10)
    return (decibels - decibels.max()).T


def mel_uri(wav: np.ndarray, fs: int) -> str:
    """The mel spectrogram as a picture, low frequencies at the bottom."""
    shade = np.clip(1 + log_mel(wav, fs)[::-1] / DYNAMIC_RANGE, 0, 1) * (len(COLOURS) - 1)  # [n_mels, frames]
    low = np.minimum(shade.astype(int), len(COLOURS) - 2)
    part = (shade - low)[..., None]
    return png_uri((COLOURS[low] * (1 - part) + COLOURS[low + 1] * part).astype(np.uint8))


def envelope_path(wav: np.ndarray, columns: int, width: float, top: float, height: float, scale: float) -> str:
    """An SVG path around a waveform: its least and greatest sample in each of ``columns``.

    Args:
        wav: [samples].
        width, top, height: the box it fills, in the picture's units.
        scale: the amplitude that fills the box.
    """
    edges = np.linspace(0, len(wav), columns + 1).astype(int)
    edges[1:] = np.maximum(edges[1:], edges[:-1] + 1)
    starts = np.minimum(edges[:-1], len(wav) - 1)
    upper, lower = np.maximum.reduceat(wav, starts), np.minimum.reduceat(wav, starts)
    x = (np.arange(columns) + 0.5) * width / columns
    middle, half = top + height / 2, height / 2 / scale
    forth = [f"{a:.1f} {middle - b * half:.1f}" for a, b in zip(x, np.clip(upper, -scale, scale), strict=True)]
    back = [f"{a:.1f} {middle - b * half + 0.4:.1f}" for a, b in zip(x, np.clip(lower, -scale, scale), strict=True)]
    return "M" + "L".join(forth + back[::-1]) + "Z"
