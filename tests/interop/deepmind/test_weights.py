import numpy as np
import pytest

from brave_tf.errors import UserError
from brave_tf.interop.deepmind.weights import load_haiku, to_haiku
from brave_tf.models.heads import predictor, projector
from brave_tf.models.tsm_light import tsm_light


def checkpoint(hidden=6, outputs=3):
    """Params and state of a released projector from 4 features, in Haiku's layout."""
    rng = np.random.default_rng(0)
    norm = {name: rng.random((1, hidden)) for name in ("scale", "offset")}
    norm_1 = {name: rng.random((1, outputs)) for name in ("scale", "offset")}
    prefix = "shared_project/projector"
    params = {
        f"{prefix}/linear": {"w": rng.random((4, hidden)), "b": rng.random(hidden)},
        f"{prefix}/batch_norm": norm,
        f"{prefix}/linear_1": {"w": rng.random((hidden, outputs)), "b": rng.random(outputs)},
        f"{prefix}/batch_norm_1": norm_1,
    }
    state = {
        f"{prefix}/{layer}/~/{statistic}_ema": {
            "average": rng.random((1, size)),
            "hidden": np.zeros((1, size)),
            "counter": np.zeros(()),
        }
        for layer, size in (("batch_norm", hidden), ("batch_norm_1", outputs))
        for statistic in ("mean", "var")
    }
    return params, state


def model():
    return projector(4, hidden=6, output=3)


def test_weights_and_statistics_arrive():
    params, state = checkpoint()
    project = model()
    load_haiku(project, params, state, "shared_project/projector")
    x = np.random.default_rng(1).normal(size=(5, 4))
    p = {path.split("/")[-1]: value for path, value in params.items()}

    def norm(y, layer):
        mean, var = (
            state[f"shared_project/projector/{layer}/~/{s}_ema"]["average"] for s in ("mean", "var")
        )
        return (y - mean) / np.sqrt(var + 1e-5) * p[layer]["scale"] + p[layer]["offset"]

    hidden = np.maximum(norm(x @ p["linear"]["w"] + p["linear"]["b"], "batch_norm"), 0)
    expected = norm(hidden @ p["linear_1"]["w"] + p["linear_1"]["b"], "batch_norm_1")
    np.testing.assert_allclose(project(x.astype("f4")), expected, rtol=1e-4)


def statistics(state, module="batch_norm", which="mean_ema"):
    return state[f"shared_project/projector/{module}/~/{which}"]


def test_averages_go_on_where_the_checkpoint_left_them():
    params, state = checkpoint()
    for module in ("batch_norm", "batch_norm_1"):
        for which in ("mean_ema", "var_ema"):
            kept = statistics(state, module, which)
            kept["counter"] = np.array(5)
            kept["hidden"] = 0.3 * kept["average"]
    project = model()
    load_haiku(project, params, state, "shared_project/projector")
    before = statistics(to_haiku([(project, "shared_project/projector")])[1])
    np.testing.assert_array_equal(before["hidden"], np.float32(statistics(state)["hidden"]))
    x = np.random.default_rng(1).normal(size=(5, 4))
    project(x.astype("f4"), training=True)
    after = statistics(to_haiku([(project, "shared_project/projector")])[1])
    linear = params["shared_project/projector/linear"]
    mean = (x @ linear["w"] + linear["b"]).mean(0)
    hidden = 0.9 * statistics(state)["hidden"] + 0.1 * mean
    np.testing.assert_allclose(after["hidden"], hidden, rtol=1e-5)
    np.testing.assert_allclose(after["average"], hidden / (1 - 0.9**6), rtol=1e-5)
    assert (before["counter"], after["counter"]) == (5, 6)


def test_averages_start_anew_where_only_they_were_kept():
    params, state = checkpoint()
    for arrays in state.values():
        del arrays["hidden"], arrays["counter"]
    project = model()
    load_haiku(project, params, state, "shared_project/projector")
    after = statistics(to_haiku([(project, "shared_project/projector")])[1])
    np.testing.assert_array_equal(after["average"], np.float32(statistics(state)["average"]))
    assert (after["counter"], after["hidden"].any()) == (0, False)


def test_unequal_counters_are_refused():
    params, state = checkpoint()
    statistics(state, which="var_ema")["counter"] = np.array(3)
    assert_refused("both count the same updates", model(), params, state)


def assert_refused(message, project, params, state, prefix="shared_project/projector"):
    before = project.get_weights()
    with pytest.raises(UserError, match=message):
        load_haiku(project, params, state, prefix)
    for a, b in zip(before, project.get_weights()):
        np.testing.assert_array_equal(a, b)


def test_unknown_prefix_is_refused():
    message = "no module narrow_video_embedding: it has shared_project"
    assert_refused(message, model(), *checkpoint(), "narrow_video_embedding")


def test_missing_array_is_refused():
    params, state = checkpoint()
    del state["shared_project/projector/batch_norm_1/~/var_ema"]
    missing = "no state shared_project/projector/batch_norm_1/~/var_ema/average"
    assert_refused(missing, model(), params, state)


def test_other_shape_is_refused():
    assert_refused(r"shape \(4, 7\), .* \(4, 6\)", model(), *checkpoint(hidden=7))


def test_parameters_without_a_place_are_refused():
    params, state = checkpoint()
    head = predictor(4, hidden=6, output=3)
    assert_refused("no place for 2 .*projector/batch_norm_1/offset", head, params, state)


def test_model_without_counterpart_is_refused():
    assert_refused("the layer stem has no counterpart", tsm_light(), *checkpoint())
