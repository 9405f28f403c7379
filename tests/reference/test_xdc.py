"""XDC's clusters and its own training step against values that were derived from its description."""

import functools

import gin
import golden_peers
import numpy as np
import tensorflow as tf

from brave_tf.models.r2plus1d import r2plus1d
from brave_tf.objectives.clustering import kmeans
from brave_tf.objectives.xdc import XDC

EXCEPTIONS = {
    "backbone/batch_norm_momentum_torch": "a mistake of the released code, by its authors' account",
}
VIEWS = {"video": "narrow", "audio": "broad_audio"}
OTHER = {"video": "audio", "audio": "video"}


def check_clusters(golden, inputs, constants):
    """Returns name -> labels after the last iteration."""
    labels = {}
    for name in VIEWS:
        start = inputs[f"{name}_start"]
        find = functools.partial(kmeans, inputs[name], constants["k"], seed=0, first=start)
        for iterations in (1, constants["iterations"]):
            found, after = find(iterations=iterations), f"after_{iterations}"
            golden.check(f"derived/{name}_centroids_{after}", found.centroids)
            golden.check_exactly(f"derived/{name}_labels_{after}", found.labels)
            golden.check(f"derived/{name}_inertia_{after}_f64", found.inertia)
        sizes = np.bincount(found.labels, minlength=constants["k"])
        golden.check_exactly(f"derived/{name}_cluster_sizes", sizes)
        labels[name] = found.labels
    return labels


def check_step(golden, inputs, constants, labels):
    rows = inputs["batch"][0]
    backbones = {
        view: golden_peers.feature_table(inputs[name], name) for name, view in VIEWS.items()
    }
    # The gradients of the case are those of the sum of both losses.
    objective = XDC(backbones, len(inputs["video"]), constants["k"], loss_scale=2.0)
    objective.compile(tf.keras.optimizers.SGD(1.0))
    for name, view in VIEWS.items():
        objective.sources[view].replace(labels[name])
    terms = {name: f"{VIEWS[name]}_by_{VIEWS[OTHER[name]]}" for name in VIEWS}
    for name, term in terms.items():
        given = [inputs[f"{name}_weights"], inputs[f"{name}_bias"]]
        objective.classifiers[term].set_weights(given)
    one_hot = np.eye(len(inputs["video"]), dtype=np.float32)[rows]
    batch = dict.fromkeys(VIEWS.values(), one_hot)
    batch = {**batch, "clip_id": rows, "label": np.zeros(len(rows), np.int64)}
    losses = objective.terms(batch, training=True).losses
    logs, _ = objective.train_step(batch)
    for name, term in terms.items():
        key = f"derived/{name}_"
        golden.check(f"{key}loss_per_clip", losses[term])
        golden.check(f"{key}loss", logs[f"loss/{term}"])
        table = objective.backbones[VIEWS[name]].get_weights()[0]
        # The loss is the mean over clips; the recorded gradients too.
        golden.check(f"{key}grad_features", (inputs[name] - table)[rows], golden_peers.GRADIENTS)
        weights = objective.classifiers[term].kernel.numpy()
        gradient = inputs[f"{name}_weights"] - weights
        golden.check(f"{key}grad_weights", gradient, golden_peers.GRADIENTS)


def check_backbone(golden):
    gin.bind_parameter("batch_norm.epsilon", 0.001)
    model, classes = r2plus1d(18), 400
    golden.check_parameters("backbone/parameters_without_classifier", model)
    golden.check_exactly("backbone/classifier_400", classes * (model.output_shape[-1] + 1))
    (found,) = {layer.epsilon for layer in model.layers if hasattr(layer, "epsilon")}
    golden.check_exactly("backbone/batch_norm_epsilon", found)


def test_every_key(shared_dir):
    golden = golden_peers.Golden(shared_dir, "xdc")
    inputs, constants = golden.case("derived")
    check_step(golden, inputs, constants, check_clusters(golden, inputs, constants))
    check_backbone(golden)
    golden.check_all_used(exceptions=EXCEPTIONS)
