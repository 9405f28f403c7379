"""Sound."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from brave_tf.data.records import fields as record_fields
from brave_tf.modalities.base import Modality, register_modality
from brave_tf.modality_registry import SOUND, Stored

if TYPE_CHECKING:
    import numpy as np

    from brave_tf.data.preparation.clip_encoder import PreparedClip
    from brave_tf.data.preparation.settings import PreparationSettings
    from brave_tf.data.records.modalities import Held
    from brave_tf.data.records.reader import Clip
    from brave_tf.data.views.base import View
    from brave_tf.inspection.stored_clip import StoredClip
    from brave_tf.interop.signatures import Embed, Signatures, Sizes
    from brave_tf.pages.clip_strips import Strips


@register_modality
class Audio(Modality):
    """Sound: samples or a FLAC file in records, and `AudioView`."""

    name = "audio"
    fields = {record_fields.AUDIO: "float32", record_fields.AUDIO_FLAC: "string"}
    context = {record_fields.AUDIO_RATE: "float32"}
    media = SOUND
    flags = "--audio=float"
    rank = 2

    def views(self) -> tuple[type[View], ...]:
        from brave_tf.data.views.audio import AudioView

        return (AudioView,)

    def remedy(self, settings: Mapping[str, Any]) -> str:
        if settings.get("audio") in ("float", "flac"):
            return "prepare files that have sound: these, prepared with --audio=float or flac, have none"
        return super().remedy(settings)

    def store(self, prepared: PreparedClip, settings: PreparationSettings) -> Stored | None:
        sequences = {}
        if prepared.audio is not None:
            sequences[record_fields.AUDIO] = [prepared.audio]
        if prepared.flac is not None:
            sequences[record_fields.AUDIO_FLAC] = [prepared.flac]
        context = {record_fields.AUDIO_RATE: settings.sample_rate}
        return Stored(sequences, context) if sequences else None

    def bindings(self, held: Held) -> list[str]:
        from brave_tf.data.views.log_mel import LogMel

        rate = held.sample_rate
        if not rate or rate == LogMel.sample_rate:
            return []
        bindings = [f"broad_audio/LogMel.sample_rate = {rate:.0f}"]
        if rate / 2 < LogMel.upper_hz:
            bindings.append(f"broad_audio/LogMel.upper_hz = {rate / 2}")
        return bindings

    def view_in_words(self) -> str:
        return "a view of sound, whose window is AudioView.duration"

    def signatures(self, name: str, view: View, sizes: Sizes, embed: Embed) -> Signatures:
        from brave_tf.interop.sound_signatures import sound_signatures

        return sound_signatures(name, view, sizes, embed)

    def window_signature(self, view_name: str) -> str:
        return f"{view_name}_spectrogram"

    def window_picture(self, values: np.ndarray) -> np.ndarray | None:
        from brave_tf.pages import window_pictures

        return window_pictures.spectrogram(values)

    def clip_picture(self, clip: Clip) -> np.ndarray | None:
        from brave_tf.pages import clip_pictures

        return clip_pictures.sound(clip.audio.numpy(), float(clip.sample_rate))

    def strips(self, clip: StoredClip, seconds: float) -> Strips | None:
        from brave_tf.pages import clip_strips

        sound = clip.readable_sound()[: round(seconds * clip.sample_rate)]
        return clip_strips.sound(sound, clip.sample_rate, seconds) if len(sound) else None
