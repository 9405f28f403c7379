"""AVID's and AVID-CMA's own training steps, one after the other, against the values of the released code."""

import golden_peers
import numpy as np
import tensorflow as tf

from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.log_spectrogram import LogSpectrogram
from brave_tf.models.avid_audio import avid_audio
from brave_tf.models.avid_video import avid_video
from brave_tf.models.heads import mlp_head
from brave_tf.objectives.agreement_search import AGREEMENTS, nearest_rows
from brave_tf.objectives.avid import AVID
from brave_tf.objectives.avid_cma import AVIDCMA

VIEWS = {"video": "narrow", "audio": "broad_audio"}
TERMS = {
    "loss_v2a": "video_to_audio",
    "loss_a2v": "audio_to_video",
    "loss_v2v": "video_to_video",
    "loss_a2a": "audio_to_audio",
}
TERMS_OF_CMA = {
    "loss_inst_v2a": "video_to_audio",
    "loss_inst_a2v": "audio_to_video",
    "loss_pos_v2v": "video_to_positives",
    "loss_pos_a2a": "audio_to_positives",
}


def identity(size, name):
    return tf.keras.Sequential([tf.keras.Input((size,)), tf.keras.layers.Lambda(tf.identity)], name)


class Peer:
    """The objective of a case, on tables of the features of the clips of a step."""

    def __init__(self, golden, case, kind=AVID, terms=None, **options):
        self.golden, self.case, self.names = golden, case, terms or TERMS
        self.inputs, self.constants = golden.case(case)
        rows, width = self.inputs["video_memory"].shape
        self.clips = self.inputs["video"].reshape(-1, *self.inputs["video"].shape[-2:])
        tables = np.zeros((self.inputs["index"].shape[1], width), np.float32)
        self.objective = kind(
            {view: golden_peers.feature_table(tables, view) for view in VIEWS.values()},
            num_clips=rows,
            projector=identity,
            negatives=self.inputs["draws"].shape[-1],
            temperature=self.constants["temperature"],
            momentum=self.constants["momentum"],
            **options,
        )
        for name in VIEWS:
            self.bank(name).vectors.assign(self.inputs[f"{name}_memory"])
        self.objective.compile(tf.keras.optimizers.SGD(1.0))
        self.found = {}
        self.keep("terms", "negatives")

    def keep(self, *methods):
        """Keeps what methods of the objective return."""
        for name in methods:
            method = getattr(self.objective, name)

            def kept(*args, name=name, method=method, **kwargs):
                self.found[name] = method(*args, **kwargs)
                return self.found[name]

            setattr(self.objective, name, kept)

    def bank(self, modality):
        return getattr(self.objective, f"{modality}_bank")

    def take(self, features, rows, draws):
        """Takes a step; returns the logs, and modality -> what it followed."""
        for modality, view in VIEWS.items():
            self.objective.backbones[view].set_weights([features[modality]])
        self.objective.draws.numbers = lambda *args: tf.constant(draws)
        one_hot = np.eye(len(rows), dtype=np.float32)
        batch = {**dict.fromkeys(VIEWS.values(), one_hot), "clip_id": tf.constant(rows)}
        self.objective.reset_metrics()
        logs, _ = self.objective.train_step({**batch, "label": np.zeros(len(rows), np.int64)})
        return logs, {
            modality: features[modality] - self.objective.backbones[view].get_weights()[0]
            for modality, view in VIEWS.items()
        }

    def check_step(self, step):
        """Takes a step and compares all that the file has of it."""
        key = f"{self.case}/step{step}"
        features = {modality: self.inputs[modality][step] for modality in VIEWS}
        logs, gradients = self.take(
            features, self.inputs["index"][step], self.inputs["draws"][step]
        )
        self.golden.check(f"{key}/loss", logs["loss"])
        self.golden.check(f"{key}/negatives", self.found["negatives"], 1e-9)
        self.golden.check(f"{key}/Z", self.objective.normalizer.value)
        for peer, name in self.names.items():
            if name in self.objective.term_names:
                self.golden.check(f"{key}/{peer}", logs[f"loss/{name}"])
        for modality, gradient in gradients.items():
            self.golden.check(f"{key}/grad_{modality}", gradient, golden_peers.GRADIENTS)
            self.golden.check(f"{key}/{modality}_memory", self.bank(modality).vectors)


def check_avid(golden):
    for case in ("cross", "joint"):
        inputs, constants = golden.case(case)
        weights = {name: constants[name] for name in ("cross_modal_weight", "within_modal_weight")}
        peer = Peer(golden, case, **weights)
        for step in range(len(inputs["video"])):
            peer.check_step(step)


def check_cma(golden):
    inputs, constants = golden.case("cma")
    banks = inputs["video_memory"], inputs["audio_memory"]
    for agreement in AGREEMENTS:
        found = nearest_rows(*banks, constants["positives"], agreement, chunk=5)
        golden.check(f"cma/positives_{agreement}", found, 1e-9)
    peer = Peer(
        golden,
        "cma",
        AVIDCMA,
        TERMS_OF_CMA,
        positives=constants["positives"],
        negatives_within=constants["negatives_within"],
        cross_modal_weight=constants["cross_modal_instance_weight"],
        within_modal_weight=constants["within_modal_positive_weight"],
    )
    peer.objective.search_positives()
    peer.objective.normalizer.settle(tf.constant(constants["Z"]))
    for step in range(len(inputs["video"])):
        peer.check_step(step)


def check_two_replicas_on_one_device(golden):
    """Each replica's figures are means over its clips, and its gradients those of its own mean."""
    case = "cross_two_replicas"
    inputs, _ = golden.case(case)
    replicas, clips = inputs["video"].shape[:2]
    peer = Peer(golden, case, loss_scale=float(replicas))
    features = {m: inputs[m].reshape(replicas * clips, -1) for m in VIEWS}
    draws = inputs["draws"].reshape(replicas * clips, -1)
    _, gradients = peer.take(features, inputs["index"][0], draws)
    losses = np.mean(list(peer.found["terms"].losses.values()), axis=0)
    for replica in range(replicas):
        key, own = f"{case}/replica{replica}", slice(replica * clips, (replica + 1) * clips)
        golden.check(f"{key}/loss", losses[own].mean())
        golden.check(f"{key}/Z", peer.objective.normalizer.value)
        for modality in VIEWS:
            golden.check(f"{key}/{modality}_memory", peer.bank(modality).vectors)
            gradient = gradients[modality][own]
            golden.check(f"{key}/grad_{modality}", gradient, golden_peers.GRADIENTS)


def check_spectrogram(golden):
    inputs, constants = golden.case("spectrogram")
    mean, deviation = (golden.arrays[f"spectrogram/{name}_of_bins"] for name in ("mean", "std"))
    golden.used.update({"spectrogram/mean_of_bins", "spectrogram/std_of_bins"})
    options = {
        "sample_rate": constants["rate"],
        "frame_length": constants["stft_size"],
        "frame_step": constants["hop"],
    }
    plain = LogSpectrogram(**options)
    golden.check("spectrogram/decibels", plain(inputs["waveform"])[::4])
    golden.check(
        "spectrogram/shape", [1, *AudioView(duration=constants["seconds"], log_mel=plain).shape]
    )
    deviation = (deviation + 1e-5).tolist()
    normalised = LogSpectrogram(mean=mean.tolist(), deviation=deviation, **options)
    key = "spectrogram/normalised_first_frames"
    golden.check(key, normalised(inputs["waveform"])[: len(golden.arrays[key])])


def check_head(golden):
    head = mlp_head(512, widths=(512, 512, 128), norm=None)
    golden.check_parameters("head/parameters", head)
    words = [
        f"dense {layer.input_shape[-1]} -> {layer.units} with{'' if layer.use_bias else 'out'} bias"
        if "linear" in layer.name
        else "ReLU"
        for layer in head.layers[1:]
    ]
    np.testing.assert_array_equal(golden.arrays["head/layers"], words)
    golden.used.add("head/layers")


def check_backbones(golden):
    golden.check_parameters("backbone/video_parameters", avid_video())
    golden.check_parameters("backbone/audio_parameters", avid_audio())


def test_every_key(shared_dir):
    golden = golden_peers.Golden(shared_dir, "avid")
    check_avid(golden)
    check_cma(golden)
    check_two_replicas_on_one_device(golden)
    check_spectrogram(golden)
    check_head(golden)
    check_backbones(golden)
    golden.check_all_used()
