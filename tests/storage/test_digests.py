import os

import numpy as np

from brave_tf.storage.digests import digest_of_files, digest_of_weights


def test_digests_change_with_what_they_stand_for(tmp_path):
    weights = [np.zeros((2, 3), np.float32), np.ones(4, np.float32)]
    digest = digest_of_weights(weights)
    assert digest == digest_of_weights([w.copy() for w in weights])
    assert digest != digest_of_weights([weights[0].reshape(3, 2), weights[1]])
    assert digest != digest_of_weights([weights[0], weights[1] + 1e-6])

    path = tmp_path / "a"
    path.write_text("x")
    digest = digest_of_files([str(path)])
    assert digest == digest_of_files([str(path)])
    os.utime(path, ns=(0, 0))
    assert digest != digest_of_files([str(path)])
