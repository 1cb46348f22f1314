"""fixtures/audio: filter banks and resampling of torchaudio, resampling of resampy, files as libsndfile writes and reads them.

It has an environment of its own, since the reference environment has none of the three: Debian 12's packages python3-torchaudio
(torch 1.13.0, torchaudio 0.13.1), python3-resampy (0.4.2) and python3-soundfile (0.12.1), run by Debian's interpreter:

    /usr/bin/python3 reference/make_audio.py
"""

import json
from pathlib import Path

import numpy as np
import resampy
import scipy.signal
import soundfile
import torch
import torchaudio

assert torchaudio.__version__ == "0.13.1" and resampy.__version__ == "0.4.2" and soundfile.__version__ == "0.12.1"

FOLDER = Path(__file__).resolve().parent.parent / "fixtures" / "audio"
# resampy's filter `kaiser_best` since 0.3: half its width in samples of the slower rate, where it falls off, its window.
HALF_WIDTH, ROLL_OFF, BETA = 50, 0.9173473712608761, 12.984585247040012


def write_safetensors(path: Path, tensors: dict, info: dict) -> None:
    """float32 only; `info` is the metadata's `cases`. The safetensors package is not in this environment."""
    header, blobs, offset = {"__metadata__": {"cases": json.dumps(info)}}, [], 0
    for name in sorted(tensors):
        data = np.ascontiguousarray(tensors[name], dtype="<f4")
        header[name] = {"dtype": "F32", "shape": list(data.shape), "data_offsets": [offset, offset + data.nbytes]}
        blobs.append(data.tobytes())
        offset += data.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(blobs))


def sound(seconds: float, rate: int, seed: int) -> np.ndarray:
    """Two tones, one of them rising, over noise that fades in: loud and quiet bins beside each other."""
    t = np.arange(int(seconds * rate)) / rate
    noise = np.random.default_rng(seed).uniform(-1, 1, len(t))
    tones = 0.4 * np.sin(2 * np.pi * 440 * t) + 0.2 * np.sin(2 * np.pi * (300 + 2000 * t) * t)
    return (tones + 0.1 * noise * t / seconds).astype(np.float32)


def lcg(count: int) -> np.ndarray:
    """The golden signal of ast-adapter.md §2.2."""
    state, numbers = 12345, []
    for _ in range(count):
        state = (1664525 * state + 1013904223) % 2**32
        numbers.append(0.2 * (state / 2**32 - 0.5))
    return np.array(numbers, dtype=np.float32)


def make_banks() -> None:
    tensors, cases = {}, []
    signals = {
        "golden": (lcg(16000), 16000, 128),
        "tones": (sound(0.4, 16000, 1), 16000, 128),
        "22050": (sound(0.2, 22050, 2), 22050, 80),
        "8000": (sound(0.3, 8000, 3), 8000, 40),
    }
    for name, (samples, rate, bins) in signals.items():
        bank = torchaudio.compliance.kaldi.fbank(
            torch.from_numpy(samples)[None], sample_frequency=rate, window_type="hanning", num_mel_bins=bins
        )
        tensors[f"{name}.samples"], tensors[f"{name}.bank"] = samples, bank.numpy()
        cases.append({"name": name, "rate": rate, "bins": bins})
    write_safetensors(FOLDER / "banks.safetensors", tensors, cases)


def make_resampling() -> None:
    tensors, cases = {}, []
    for old, new in ((44100, 16000), (22050, 16000), (48000, 16000), (8000, 16000), (16000, 22050)):
        samples = sound(900 / 16000, old, old + new)
        # torchaudio counts the width in zero crossings of the rolled-off sinc, resampy in samples.
        wide = torchaudio.functional.resample(
            torch.from_numpy(samples).double(),
            old,
            new,
            lowpass_filter_width=HALF_WIDTH * ROLL_OFF,
            rolloff=ROLL_OFF,
            resampling_method="kaiser_window",
            beta=BETA,
        )
        name = f"{old}-{new}"
        tensors[f"{name}.samples"] = samples
        tensors[f"{name}.torchaudio"] = wide.numpy()
        # `kaiser_best` keeps 8,192 points between two samples and steps through them by a whole number, which is off by up to
        # 1 in 2,730 here; the same filter with 2^20 points shows what it stands for.
        fine = {"num_zeros": HALF_WIDTH, "precision": 20, "rolloff": ROLL_OFF, "window": lambda n: scipy.signal.windows.kaiser(n, BETA)}
        tensors[f"{name}.resampy"] = resampy.resample(samples.astype(np.float64), old, new, filter="sinc_window", **fine)
        table = resampy.resample(samples.astype(np.float64), old, new, filter="kaiser_best")
        print(name, "kaiser_best's table is off by", np.abs(table - tensors[f"{name}.resampy"]).max())
        cases.append({"name": name, "from": old, "to": new})
    write_safetensors(FOLDER / "resampling.safetensors", tensors, cases)


def make_files() -> None:
    count = 400
    t = np.arange(count)
    left = 0.9 * np.sin(t * 0.05) * np.exp(-t / 300)
    right = np.random.default_rng(5).uniform(-1, 1, count)
    left[:2], right[:2] = (-1, 1), (1, -1)
    stereo = np.stack([left, right], 1)
    kinds = {
        "u8.wav": "PCM_U8",
        "s16.wav": "PCM_16",
        "s24.wav": "PCM_24",
        "s32.wav": "PCM_32",
        "f32.wav": "FLOAT",
        "f64.wav": "DOUBLE",
        "s8.flac": "PCM_S8",
        "s16.flac": "PCM_16",
        "s24.flac": "PCM_24",
        "vorbis.ogg": "VORBIS",
    }
    tensors = {}
    for name, subtype in kinds.items():
        soundfile.write(FOLDER / name, stereo, 22050, subtype=subtype)
        tensors[name] = soundfile.read(FOLDER / name, dtype="float32")[0].T
    soundfile.write(FOLDER / "mono-extensible.wav", left, 8000, subtype="PCM_16", format="WAVEX")
    tensors["mono-extensible.wav"] = soundfile.read(FOLDER / "mono-extensible.wav", dtype="float32", always_2d=True)[0].T
    soundfile.write(FOLDER / "opus.ogg", stereo, 48000, format="OGG", subtype="OPUS")
    write_safetensors(FOLDER / "files.safetensors", tensors, sorted(tensors))


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    make_banks()
    make_resampling()
    make_files()
