"""What is measured of audio before it is trained on: one function a quantity, each of one channel."""

from collections.abc import Sequence

import numpy as np

from audiolm.annotate.turns import Region
from audiolm.errors import AudiolmError

CEILING = 0.99  # of the largest sample: what is above it in a row is clipped
RUN = 3  # samples in a row
SPECTRUM = 2048  # samples of a spectrum's window
RANGE = 60.0  # dB below the strongest band: beyond it nothing is heard
NOISE_SECONDS = 0.3  # of pauses, at least, that the noise is measured in
MOST_SNR = 100.0  # dB, of pauses without any sound
DNSMOS_RATE, DNSMOS_SECONDS = 16000, 30.0


def clipping(wav: np.ndarray) -> float:
    """Share of samples that lie in runs of RUN or more at the waveform's ceiling, 0…1; float [samples]."""
    ceiling = CEILING * np.abs(wav).max()
    if ceiling == 0:
        return 0.0
    clipped = np.zeros(len(wav), dtype=bool)
    for high in (wav >= ceiling, wav <= -ceiling):
        edges = np.flatnonzero(np.diff(high.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
        flat = [(a, b) for a, b in edges if b - a >= RUN and np.ptp(wav[a:b]) < (1 - CEILING) * ceiling]
        for a, b in flat:
            clipped[a:b] = True
    return float(clipped.mean())


def bandwidth(wav: np.ndarray, fs: int) -> float:
    """The highest frequency in Hz at which the mean spectrum is within RANGE dB of its strongest part.

    Audio that was upsampled, or went through a telephone or a low-rate codec, has a bandwidth below fs / 2.
    """
    frames = len(wav) // SPECTRUM
    if frames == 0:
        wav, frames = np.pad(wav, (0, SPECTRUM - len(wav))), 1
    power = np.zeros(SPECTRUM // 2 + 1)
    for block in np.array_split(wav[: frames * SPECTRUM].reshape(frames, SPECTRUM), -(-frames // 1024)):
        power += (np.abs(np.fft.rfft(block * np.blackman(SPECTRUM))) ** 2).sum(axis=0)
    smooth = np.convolve(power, np.ones(9) / 9, "same")
    heard = np.flatnonzero(smooth > smooth.max() * 10 ** (-RANGE / 10))
    return float(heard[-1] * fs / SPECTRUM) if len(heard) and smooth.max() > 0 else 0.0


def signal_to_noise(wav: np.ndarray, fs: int, speech: Sequence[Region]) -> float | None:
    """Power of speech over that of the pauses between it, in dB; None where there is no speech or hardly a pause.

    Args:
        speech: regions in seconds.
    """
    mask = np.zeros(len(wav), dtype=bool)
    for start, end in speech:
        mask[round(start * fs) : round(end * fs)] = True
    if not mask.any() or (~mask).sum() < NOISE_SECONDS * fs:
        return None
    loud, noise = (float(np.mean(np.square(wav[part], dtype=np.float64))) for part in (mask, ~mask))
    if noise <= 0:
        return MOST_SNR
    return float(np.clip(10 * np.log10(max(loud - noise, 1e-10 * noise) / noise), -MOST_SNR, MOST_SNR))


def speech_share(speech: Sequence[Region], duration: float) -> float:
    """Share of the time in which voice activity detection hears speech, 0…1: low for music, noise and silence."""
    return sum(end - start for start, end in speech) / duration


class Dnsmos:
    """DNSMOS P.835, overall quality from 1 to 5 (Reddy et al. 2022), with the weights of the speechmos wheel.

    Raises:
        AudiolmError: speechmos or its onnxruntime is not installed.
    """

    name = "DNSMOS P.835 (speechmos)"

    def __init__(self):
        try:
            from speechmos import dnsmos
        except ImportError as error:
            raise AudiolmError(
                f"DNSMOS needs speechmos and onnxruntime ({error}): pip install speechmos onnxruntime"
            ) from None
        self.run = dnsmos.run

    def __call__(self, wav: np.ndarray, fs: int) -> float:
        """Overall quality of float [samples]; of long audio, that of DNSMOS_SECONDS from its middle."""
        from audiolm.data.audio import resample

        spare = max(0, len(wav) - round(DNSMOS_SECONDS * fs)) // 2
        part = resample(np.asarray(wav[spare : len(wav) - spare], dtype=np.float32), fs, DNSMOS_RATE)
        return float(self.run(np.clip(part, -1, 1), DNSMOS_RATE)["ovrl_mos"])


class WhisperLanguage:
    """Probability that a language is spoken, by a multilingual Whisper model (Radford et al. 2023, section 2.3).

    Args:
        model: as annotate/whisper.py takes it.
        language: Whisper's code, such as ``en``.
    """

    fs = 16000

    def __init__(self, model: str, language: str, device: str = "cpu"):
        from audiolm.annotate.whisper import check_language, load_openai

        check_language(language)
        self.language, self.model = language, load_openai(model, device)
        if not self.model.is_multilingual:
            raise AudiolmError(f"Whisper model '{model}' knows English only: name a multilingual one to tell languages")

    def __call__(self, wav: np.ndarray) -> float:
        """Of float32 [samples] at 16 kHz: the first 30 s count."""
        import whisper

        mel = whisper.log_mel_spectrogram(
            whisper.pad_or_trim(np.asarray(wav, dtype=np.float32)), self.model.dims.n_mels
        )
        return float(whisper.detect_language(self.model, mel.to(self.model.device))[1][self.language])
