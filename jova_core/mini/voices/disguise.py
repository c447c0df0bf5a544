"""A voice made unlike itself: other pitch and size, a room, noise, another level and microphone.

Lips must move as well to a voice that was never heard, so a given voice is trained in disguise.
What is said and when stays as it is.
"""

import numpy as np

from .speech import SAMPLE_RATE

N_FFT, HOP = 512, 128
# Spread of the disguises, all ours: semitones, share of the formants' frequencies, dB.
PITCH, FORMANTS, LEVEL_DB = 5.0, 0.18, 8.0
SNR_DB = (12.0, 45.0)
# The room's echoes fall by 60 dB within so many seconds; their share of the sound.
ROOM_SECONDS, ROOM_SHARE = (0.05, 0.5), (0.0, 0.5)
LOWEST_CUT = 2800.0  # Hz: a telephone's
# Cepstral coefficients of a spectral envelope: finer than formants, coarser than a voice's pitch.
ENVELOPE = 24
_FLOOR = 1e-5


def disguise(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """float32 `[N]` at 16 kHz of the same speech as `wave` `[N]`, in another voice and room."""
    pitch = 2 ** (rng.uniform(-PITCH, PITCH) / 12)
    formants = 1 + rng.uniform(-FORMANTS, FORMANTS)
    heard = shift_voice(wave.astype(np.float64), pitch, formants)
    heard = _in_a_room(heard, rng)
    heard = _by_a_microphone(heard, rng)
    loud = np.sqrt(np.mean(heard**2)) + 1e-9
    noise = _coloured_noise(len(heard), rng)
    heard = heard + noise * loud * 10 ** (-rng.uniform(*SNR_DB) / 20)
    heard = heard * 10 ** (rng.uniform(-LEVEL_DB, LEVEL_DB / 2) / 20)
    return np.clip(heard, -1, 1).astype(np.float32)


def shift_voice(wave: np.ndarray, pitch: float, formants: float) -> np.ndarray:
    """`wave` `[N]` with its pitch and its formants multiplied, each by its own factor.

    A phase vocoder draws the wave out by `pitch` and reading it faster brings its length back,
    which moves formants as well; their envelope is then warped to where it should be. The pitch is
    met to about 1 %, for frames lie whole samples apart.
    """
    taken = round(HOP / pitch)
    pitch = HOP / taken
    stretched = _stretch(wave, taken)
    places = np.arange(len(wave)) * pitch
    shifted = np.interp(places, np.arange(len(stretched)), stretched, right=0.0)
    return _warp_envelope(shifted, formants / pitch)


def _frames(wave: np.ndarray, hop: int) -> np.ndarray:
    """Spectra `[M, N_FFT/2 + 1]` of windows around every `hop` samples."""
    padded = np.pad(wave, (N_FFT // 2, N_FFT + hop))
    starts = np.arange(0, len(wave) + hop, hop)
    windows = padded[starts[:, None] + np.arange(N_FFT)]
    return np.fft.rfft(windows * np.hanning(N_FFT))


def _joined(spectra: np.ndarray, hop: int, length: int) -> np.ndarray:
    """The inverse of `_frames`, `[length]`, with a hop of its own."""
    window = np.hanning(N_FFT)
    total = np.zeros(len(spectra) * hop + N_FFT)
    weight = np.full_like(total, 1e-3)
    for number, part in enumerate(np.fft.irfft(spectra, N_FFT)):
        place = slice(number * hop, number * hop + N_FFT)
        total[place] += part * window
        weight[place] += window**2
    wave = (total / weight)[N_FFT // 2 :][:length]
    return np.pad(wave, (0, length - len(wave)))


def _stretch(wave: np.ndarray, taken: int) -> np.ndarray:
    """`wave` HOP / taken times as long at the same pitch: frames at one hop, joined at another."""
    spectra = _frames(wave, taken)
    advance = 2 * np.pi * np.arange(spectra.shape[1]) / N_FFT
    turned = np.angle(spectra[1:]) - np.angle(spectra[:-1]) - advance * taken
    turned = (turned + np.pi) % (2 * np.pi) - np.pi
    steps = (turned / taken + advance) * HOP
    phases = np.concatenate([np.angle(spectra[:1]), steps]).cumsum(0)
    length = len(wave) * HOP // taken
    return _joined(np.abs(spectra) * np.exp(1j * phases), HOP, length)


def _warp_envelope(wave: np.ndarray, factor: float) -> np.ndarray:
    """`wave` with its spectral envelope stretched along frequency by `factor`."""
    spectra = _frames(wave, HOP)
    logs = np.log(np.abs(spectra) + _FLOOR)
    cepstra = np.fft.irfft(logs)
    cepstra[:, ENVELOPE : -ENVELOPE + 1] = 0
    envelopes = np.fft.rfft(cepstra).real
    bins = np.arange(envelopes.shape[1])
    wanted = np.stack([np.interp(bins / factor, bins, row) for row in envelopes])
    return _joined(spectra * np.exp(np.clip(wanted - envelopes, -4, 4)), HOP, len(wave))


def _in_a_room(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """With decaying noise as the room's echoes, at the level that the wave had."""
    seconds, share = rng.uniform(*ROOM_SECONDS), rng.uniform(*ROOM_SHARE)
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    echoes = rng.standard_normal(len(times)) * np.exp(-6.9 * times / seconds)
    echoes *= share / (np.linalg.norm(echoes) + 1e-9)
    echoes[0] = 1 - share
    size = len(wave) + len(echoes)
    heard = np.fft.irfft(np.fft.rfft(wave, size) * np.fft.rfft(echoes, size), size)[: len(wave)]
    return heard * (np.linalg.norm(wave) / (np.linalg.norm(heard) + 1e-9))


def _by_a_microphone(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Duller or sharper, and in half of the cases without what lies above some frequency."""
    spectrum = np.fft.rfft(wave)
    share = np.linspace(0, 1, len(spectrum))
    gains = 10 ** (rng.uniform(-10, 6) * share / 20)
    if rng.random() < 0.5:
        cut = rng.uniform(LOWEST_CUT, SAMPLE_RATE / 2)
        gains *= 1 / (1 + np.exp((share * SAMPLE_RATE / 2 - cut) / 150))
    return np.fft.irfft(spectrum * gains, len(wave))


def _coloured_noise(length: int, rng: np.random.Generator) -> np.ndarray:
    """Noise of unit power between white and that of a falling spectrum."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    spectrum /= (1 + np.arange(len(spectrum))) ** (rng.uniform(0, 0.8))
    noise = np.fft.irfft(spectrum, length)
    return noise / (np.sqrt(np.mean(noise**2)) + 1e-9)
