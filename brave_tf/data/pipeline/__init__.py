from brave_tf import moved

# It was a module.
__getattr__ = moved.attributes("brave_tf.data.pipeline", ["brave_tf.data.pipeline.batches"])
