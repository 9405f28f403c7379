import itertools

import numpy as np
import pytest
import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.models.endpoints import endpoints
from brave_tf.models.r2plus1d import middle_planes, r2plus1d

ENDPOINTS = ["stem", "stage_1", "stage_2", "stage_3", "stage_4", "last_conv", "embedding"]


def pair(inputs, outputs):
    """Weights of a factorised 3x3x3 convolution with both normalisations."""
    middle = (27 * inputs * outputs) // (9 * inputs + 3 * outputs)
    return 9 * inputs * middle + 2 * middle + 3 * middle * outputs + 2 * outputs


def weights_by_formula(blocks, bottleneck):
    total, inputs = 49 * 3 * 45 + 2 * 45 + 3 * 45 * 64 + 2 * 64, 64
    for stage, repeats in enumerate(blocks):
        width = 64 * 2**stage
        outputs = 4 * width if bottleneck else width
        for block in range(repeats):
            if bottleneck:
                total += inputs * width + 2 * width + pair(width, width)
                total += width * outputs + 2 * outputs
            else:
                total += pair(inputs, outputs) + pair(outputs, outputs)
            if block == 0 and inputs != outputs:
                total += inputs * outputs + 2 * outputs
            inputs = outputs
    return total


@pytest.mark.parametrize(
    ("depth", "blocks", "weights"),
    [(18, (2, 2, 2, 2), 33_165_639), (50, (3, 4, 6, 3), 46_165_457)],
)
def test_number_of_weights(depth, blocks, weights):
    model = r2plus1d(depth)
    found = sum(v.shape.num_elements() for v in model.trainable_variables)
    assert found == weights == weights_by_formula(blocks, depth == 50)
    if depth == 50:
        logits = 400
        assert found + (model.output_shape[1] + 1) * logits == 46_985_057


def test_middle_planes_keep_the_number_of_weights():
    for inputs, outputs, planes in [(64, 64, 144), (64, 128, 230), (512, 512, 1152)]:
        assert middle_planes(inputs, outputs) == planes
        factorised = planes * (9 * inputs + 3 * outputs)
        assert 0 <= 27 * inputs * outputs - factorised < 9 * inputs + 3 * outputs


@pytest.mark.parametrize(("depth", "widths"), [(18, (8, 16, 32, 64)), (50, (32, 64, 128, 256))])
def test_time_and_space_are_halved_by_three_stages(depth, widths):
    model = endpoints(r2plus1d(depth, width_multiplier=0.125), ENDPOINTS)
    for shape in [(2, 16, 32, 48, 3), (1, 7, 19, 33, 3), (1, 1, 3, 3, 3)]:
        sizes = {name: tuple(x.shape) for name, x in model(np.zeros(shape, "f4")).items()}
        size = [shape[1], *(-(-side // 2) for side in shape[2:4])]
        assert sizes["stem"] == (shape[0], *size, 8)
        for stage, channels in enumerate(widths, start=1):
            size = [-(-side // 2) for side in size] if stage > 1 else size
            assert sizes[f"stage_{stage}"] == (shape[0], *size, channels)
        assert sizes["last_conv"] == sizes["stage_4"]
        assert sizes["embedding"] == (shape[0], widths[-1])


def test_a_single_frame_has_no_time_to_be_convolved():
    """With the temporal kernels' outer weights gone, frames are seen one by one in stage 1."""
    model = r2plus1d(width_multiplier=0.125)
    for layer in model.layers:
        if layer.name.endswith("_time"):
            kernel = layer.kernel.numpy()
            assert kernel.shape[:3] == (3, 1, 1)
            kernel[[0, 2]] = 0
            layer.kernel.assign(kernel)
    stage = endpoints(model, ["stage_1"])
    x = np.random.default_rng(0).random((1, 5, 16, 16, 3)).astype("f4")
    frames = [stage(x[:, t : t + 1])["stage_1"] for t in range(5)]
    np.testing.assert_allclose(stage(x)["stage_1"], np.concatenate(frames, 1), atol=1e-4)


def torchvision_names(model):
    """Name in torchvision's network -> layer, of a network of depth 18."""
    names = {
        "stem.0": "stem_conv_space",
        "stem.1": "stem_conv_space_norm",
        "stem.3": "stem_conv_time",
        "stem.4": "stem_norm",
    }
    for stage, block in itertools.product(range(1, 5), range(2)):
        theirs, own = f"layer{stage}.{block}", f"stage_{stage}_block_{block + 1}"
        for i in range(2):
            names[f"{theirs}.conv{i + 1}.0.0"] = f"{own}_conv_{i}_space"
            names[f"{theirs}.conv{i + 1}.0.1"] = f"{own}_conv_{i}_space_norm"
            names[f"{theirs}.conv{i + 1}.0.3"] = f"{own}_conv_{i}_time"
            names[f"{theirs}.conv{i + 1}.1"] = f"{own}_norm_{i}"
        if stage > 1 and block == 0:
            names[f"{theirs}.downsample.0"] = f"{own}_shortcut"
            names[f"{theirs}.downsample.1"] = f"{own}_shortcut_norm"
    return {theirs: model.get_layer(own) for theirs, own in names.items()}


def as_torch(layer):
    """Name in torch's layer -> array, of a layer's weights."""
    if hasattr(layer, "kernel"):
        return {"weight": layer.kernel.numpy().transpose(4, 3, 0, 1, 2)}
    names = ("weight", "bias", "running_mean", "running_var")
    return dict(zip(names, layer.get_weights()))


def load_torch(model, state):
    """Gives a network the weights of torchvision's, by name; all of them have to be used."""
    state = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    for name, layer in torchvision_names(model).items():
        values = [np.asarray(state.pop(f"{name}.{part}")) for part in as_torch(layer)]
        if hasattr(layer, "kernel"):
            values = [value.transpose(2, 3, 4, 1, 0) for value in values]
        layer.set_weights(values)
    assert not [key for key in state if not key.startswith("fc.")]


def torchvision_forward(state, clips):
    """The features of torchvision's network, by its layers and their settings."""

    def conv(x, name, stride=(1, 1, 1)):
        kernel = np.asarray(state[f"{name}.weight"]).transpose(2, 3, 4, 1, 0)
        sizes = [(size // 2, size // 2) for size in kernel.shape[:3]]
        return tf.nn.conv3d(
            np.pad(x, [(0, 0), *sizes, (0, 0)]), kernel, (1, *stride, 1), "VALID"
        ).numpy()

    def norm(x, name):
        scale, offset, mean, variance = (
            np.asarray(state[f"{name}.{part}"])
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / np.sqrt(variance + 1e-5) * scale + offset

    def relu(x):
        return np.maximum(x, 0)

    def halves(x, name, stride):
        x = relu(norm(conv(x, f"{name}.0", (1, stride, stride)), f"{name}.1"))
        return conv(x, f"{name}.3", (stride, 1, 1))

    x = relu(norm(conv(clips, "stem.0", (1, 2, 2)), "stem.1"))
    x = relu(norm(conv(x, "stem.3"), "stem.4"))
    for stage, block in itertools.product(range(1, 5), range(2)):
        name, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
        y = relu(norm(halves(x, f"{name}.conv1.0", stride), f"{name}.conv1.1"))
        y = norm(halves(y, f"{name}.conv2.0", 1), f"{name}.conv2.1")
        if stride > 1:
            x = norm(conv(x, f"{name}.downsample.0", (2, 2, 2)), f"{name}.downsample.1")
        x = relu(x + y)
    return x.mean(axis=(1, 2, 3))


CLIPS = np.random.default_rng(1).normal(size=(2, 6, 16, 22, 3)).astype("f4")


def test_the_network_with_planes_of_blocks_is_torchvisions():
    model = r2plus1d(width_multiplier=0.125, planes_of="block", padding="torch")
    rng, state = np.random.default_rng(0), {}
    for name, layer in torchvision_names(model).items():
        for part, value in as_torch(layer).items():
            low, high = (-0.2, 0.2) if part in ("bias", "running_mean") else (0.5, 1.5)
            if value.ndim > 1:
                low, high = np.array([-2, 2]) / np.sqrt(np.prod(value.shape[1:]))
            state[f"{name}.{part}"] = rng.uniform(low, high, value.shape).astype("f4")
    load_torch(model, state)
    np.testing.assert_allclose(model(CLIPS), torchvision_forward(state, CLIPS), rtol=1e-4)


@pytest.mark.long
def test_torchvision_itself_says_the_same():
    torch = pytest.importorskip("torch")
    network = pytest.importorskip("torchvision.models.video").r2plus1d_18(weights=None).eval()
    network.fc = torch.nn.Identity()
    with torch.no_grad():
        expected = network(torch.from_numpy(CLIPS.transpose(0, 4, 1, 2, 3))).numpy()
    state = {name: value.numpy() for name, value in network.state_dict().items()}
    model = r2plus1d(planes_of="block", padding="torch")
    load_torch(model, state)
    np.testing.assert_allclose(model(CLIPS), expected, rtol=1e-3, atol=1e-5)


def test_middle_planes_of_a_block():
    """The second convolution of a block has those of the first, which are fewer where channels double."""
    model = r2plus1d(planes_of="block", width_multiplier=0.5)
    for stage, inputs, outputs in [(1, 32, 32), (2, 32, 64), (4, 128, 256)]:
        planes = middle_planes(inputs, outputs)
        for i in range(2):
            layer = model.get_layer(f"stage_{stage}_block_1_conv_{i}_space")
            assert layer.filters == planes
        layer = model.get_layer(f"stage_{stage}_block_2_conv_0_space")
        assert layer.filters == middle_planes(outputs, outputs)


@pytest.mark.parametrize(("depth", "planes_of"), [(18, "network"), (50, "block")])
def test_planes_that_there_are_not_are_refused(depth, planes_of):
    with pytest.raises(UserError, match=f"r2plus1d.planes_of = '{planes_of}': expected 'convolu"):
        r2plus1d(depth, planes_of=planes_of)
