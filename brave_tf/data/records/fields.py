"""Names of the fields of a clip record, in one place for writer and reader; modalities may add others.

They are those of MediaSequence and DMVR, so that shards are interchangeable with theirs.
"""

IMAGE = "image/encoded"
IMAGE_RATE = "image/frame_rate"
IMAGE_HEIGHT = "image/height"
IMAGE_WIDTH = "image/width"
FLOW = "FORWARD_FLOW/encoded"
FLOW_BOUND = "FORWARD_FLOW/bound"
AUDIO = "WAVEFORM/feature/floats"
AUDIO_FLAC = "WAVEFORM/feature/flac"
AUDIO_RATE = "WAVEFORM/feature/sample_rate"
LABEL_INDEX = "clip/label/index"
LABEL_TEXT = "clip/label/text"
PATH = "clip/data_path"
START = "clip/start/timestamp"
END = "clip/end/timestamp"
