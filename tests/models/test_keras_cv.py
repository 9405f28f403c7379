import numpy as np
import pytest
import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.models.keras_cv import keras_cv_backbone
from tests.helpers.small_backbones import RESNET, SWIN


def gradient_norms(model, x):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(x, training=True) ** 2)
    return [float(tf.norm(g)) for g in tape.gradient(loss, model.trainable_variables)]


def test_video_swin_on_clips():
    model = keras_cv_backbone("VideoSwinBackbone", (4, 32, 32, 3), SWIN)
    x = np.random.default_rng(0).random((2, 4, 32, 32, 3), np.float32)
    features = model(x)
    assert model.output_shape == (None, 32)
    assert features.shape == (2, 32)
    assert not np.allclose(features[0], features[1])
    # The order of the frames matters to a video backbone.
    assert np.abs(model(x[:, ::-1]) - features).max() > 1e-4
    assert max(gradient_norms(model, x)) > 0


def test_image_backbone_averages_over_frames():
    model = keras_cv_backbone("ResNetV2Backbone", (None, None, None, 3), RESNET)
    x = np.random.default_rng(0).random((2, 5, 33, 40, 3), np.float32)
    features = model(x)
    assert features.shape == (2, 64)
    frame_by_frame = np.mean([model(x[:, t : t + 1]) for t in range(5)], axis=0)
    np.testing.assert_allclose(features, frame_by_frame, rtol=1e-4, atol=1e-5)
    assert min(gradient_norms(model, x)) > 0


def test_image_backbone_on_spectrograms():
    model = keras_cv_backbone("ResNetV2Backbone", (None, 40), RESNET)
    for frames in (3, 50):
        assert model(tf.zeros((2, frames, 40))).shape == (2, 64)


def test_rescaling_backbone_is_given_values_up_to_255():
    tf.keras.utils.set_random_seed(1)
    plain = keras_cv_backbone("ResNetV2Backbone", (None, 40), RESNET)
    rescaling = keras_cv_backbone(
        "ResNetV2Backbone", (None, 40), {**RESNET, "include_rescaling": True}
    )
    rescaling.set_weights(plain.get_weights())
    x = tf.random.uniform((2, 16, 40))
    np.testing.assert_allclose(plain(x), rescaling(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("backbone", "shape", "arguments"),
    [("ResNetV2Backbone", (2, 32, 32, 3), RESNET), ("VideoSwinBackbone", (4, 32, 32, 3), SWIN)],
)
def test_features_are_float32_in_mixed_precision(backbone, shape, arguments):
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    features = keras_cv_backbone(backbone, shape, arguments)(tf.ones((1, *shape)))
    assert features.dtype == tf.float32
    assert np.all(np.isfinite(features))


def test_unusable_arguments_are_refused():
    with pytest.raises(UserError, match="ResNetV2Backbone"):
        keras_cv_backbone("ResnetV2Backbone", (None, 40))
    with pytest.raises(UserError, match="without the batch"):
        keras_cv_backbone("ResNetV2Backbone", (8, 4, 32, 32, 3), RESNET)


@pytest.mark.parametrize(
    ("size", "width", "depth", "parameters"),
    [("T", 96, 6, 27.85e6), ("S", 96, 18, 49.51e6), ("B", 128, 18, 87.64e6)],
)
def test_video_swin_of_each_size(size, width, depth, parameters):
    model = keras_cv_backbone(f"VideoSwin{size}Backbone", (16, 112, 112, 3))
    assert model.output_shape == (None, 8 * width)
    assert model.count_params() == pytest.approx(parameters, rel=5e-3)
    assert model.arguments["backbone"] == f"VideoSwin{size}Backbone"
    blocks = [m for m in model.submodules if type(m).__name__ == "VideoSwinTransformerBlock"]
    assert len(blocks) == 2 + 2 + depth + 2


@pytest.mark.parametrize("nested", [dict, lambda of: [of], lambda of: ((1, [of]),)])
def test_arguments_do_not_describe_objects_for_keras_to_make(nested):
    described = {"class_name": "thing", "module": "module_of_a_stranger", "config": {}}
    with pytest.raises(UserError, match="activation is a mapping"):
        keras_cv_backbone(
            "ResNetV2Backbone", (None, 40), {**RESNET, "activation": nested(described)}
        )
