"""Every choice of a training run, as frozen data. All values are ours: the paper gives none."""

import math
from dataclasses import dataclass, replace
from typing import Literal

from ..errors import JoVAError
from ..fields import check_choices
from ..flow.path import TimestepSampling
from .tasks import Task


@dataclass(frozen=True, kw_only=True)
class Tasks:
    """Shares of the tasks; the rest is text → both with one shared time."""

    independent: float = 0.1  # video and audio each at a time of its own
    audio_given: float = 0.12  # clean audio, t_audio = 0
    video_given: float = 0.12  # clean video, t_video = 0
    image_given: float = 0.25  # of the samples without given video: clean first latent frame
    # Of all samples; see `training.tasks`. The last two need a config whose pictures enter by the
    # image channels wherever they are given.
    first_last: float = 0.0
    extend: float = 0.0
    redo: float = 0.0
    lip_sync: float = 0.0
    dub: float = 0.0

    def __post_init__(self) -> None:
        shares = {name: share for name, share in vars(self).items() if name != "image_given"}
        every = (*shares.values(), self.image_given)
        if min(every) < 0 or sum(shares.values()) > 1 or self.image_given > 1:
            raise JoVAError(
                f"Got the task shares {shares} and {self.image_given} for the picture; give shares "
                "from 0 to 1, those of the tasks together at most 1."
            )

    def of(self, number: float) -> Task:
        """The task of a uniform number in [0, 1), without the share of independent times."""
        shares: dict[Task, float] = {"audio": self.audio_given, "video": self.video_given}
        shares |= {"first_last": self.first_last, "extend": self.extend, "redo": self.redo}
        shares |= {"lip_sync": self.lip_sync, "dub": self.dub}
        ends = self.independent
        if number < ends:
            return "text"
        for task, share in shares.items():
            ends += share
            if number < ends:
                return task
        return "text"

    @property
    def cut_audio(self) -> bool:
        """Whether some samples have given and made audio side by side."""
        return self.extend + self.redo + self.dub > 0


# Minimum values.
_LEAST = {
    1: ("batch", "steps", "alone_times", "checkpoint_every", "log_every"),
    0: (
        "warmup",
        "keep_every",
        "seed",
        "mouth_weight",
        "video_weight",
        "audio_weight",
        "alignment_weight",
        "alone_shift",
    ),
}


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """One run. Rates are per step, shares are probabilities."""

    seed: int = 0
    batch: int = 32
    steps: int = 4000
    learning_rate: float = 1e-3
    optimizer: Literal["adamw", "adamw8bit", "muon"] = "adamw"  # 8 bit: by bitsandbytes
    weight_decay: float = 0.01
    warmup: int = 200
    cooldown: float = 0.25  # last share of the steps, linearly down to 0
    ema: float = 0.999
    clip_norm: float = 1.0
    spike_norm: float = 1000.0  # steps with a larger gradient are skipped: seen once in bf16
    timestep_sampling: TimestepSampling = "mode"  # mode(1.29), the heavy tails of SD3
    shift: float = 3.0  # towards noise, which decides words and colours
    mouth_weight: float = 5.0  # λ of the mouth-area loss
    mouth_form: Literal["weighted", "area"] = "weighted"
    # What λ falls on in steps of single pictures: the mouth, or the face round and above it.
    pictures_area: Literal["mouth", "face"] = "mouth"
    video_weight: float = 1.0
    audio_weight: float = 1.0
    alignment_weight: float = 0.0  # of the sounds that audio latents speak; see `alignment`
    audio_alone: float = 0.0  # of the steps: audio and text only, without pictures
    stills: float = 0.0  # of the steps: single pictures without audio, which teach looks
    alone_times: int = 1  # samples of a step of one stream, which is cheap, over the batch
    alone_shift: float = 0.0  # the shift in such steps: less noise hides a picture; 0: as `shift`
    places: float = 1.0  # of the pictures in steps of clips, the mouth's always; see `places`
    tasks: Tasks = Tasks()
    drop_prompt: float = 0.1  # the empty prompt, for guidance
    drop_part: float = 0.05  # each part of the prompt alone
    drop_words: float = 0.0  # of the samples with given audio: the transcript
    disguised: float = 0.0  # of the same, where there is one: the audio in another voice and room
    phonemes_only: float = 0.4  # of the transcript words, encoded by their phonemes alone
    checkpoint_every: int = 250
    keep_every: int = 0  # steps between checkpoints to keep for a curve; 0 keeps the last
    log_every: int = 10
    compile: bool = True
    gradient_checkpointing: bool = False  # blocks run again in the backward pass: less memory
    shard: bool = False  # weights and optimiser split among the processes (FSDP2)
    dtype: Literal["bf16", "fp32"] = "bf16"

    def __post_init__(self) -> None:
        check_choices(self)
        for least, names in _LEAST.items():
            for name in names:
                if not least <= getattr(self, name) < math.inf:
                    raise JoVAError(f"{name} is {getattr(self, name)}; give {least} or more.")
        shares = ("cooldown", "ema", "drop_prompt", "drop_part", "phonemes_only", "audio_alone")
        for name in (*shares, "stills", "drop_words", "disguised"):
            if not 0 <= getattr(self, name) <= 1:
                raise JoVAError(f"{name} is {getattr(self, name)}; give a share from 0 to 1.")
        if not 0 < self.places <= 1:
            raise JoVAError(f"places is {self.places}; give a share above 0, up to 1.")
        if self.audio_alone + self.stills > 1:
            raise JoVAError(
                f"audio_alone is {self.audio_alone} and stills {self.stills}; give shares that are "
                "at most 1 together."
            )
        if not 0 < self.learning_rate < 1:
            raise JoVAError(f"learning_rate is {self.learning_rate}; give a value between 0 and 1.")
        if not 0 < self.shift < math.inf:
            raise JoVAError(f"shift is {self.shift}; give a value above 0.")
        if self.shard and (self.optimizer != "adamw" or self.compile):
            raise JoVAError(
                "With --shard each process has only a part of the weights; use the optimiser adamw "
                "and --no-compile."
            )

    def identity(self) -> "TrainSettings":
        """These settings without the ones that may change on resume: length, files, speed.

        With more steps than before, the learning rate follows the schedule of the longer run.
        """
        files = {"steps": 1, "checkpoint_every": 1, "keep_every": 0, "log_every": 1}
        return replace(self, **files, compile=False, gradient_checkpointing=False, shard=False)

    def rate(self, step: int) -> float:
        """Learning rate at `step`: linear warm-up, constant, linear cool-down."""
        rising = min(1.0, (step + 1) / max(1, self.warmup))
        falling = min(1.0, (self.steps - step) / max(1.0, self.cooldown * self.steps))
        return self.learning_rate * min(rising, falling)
