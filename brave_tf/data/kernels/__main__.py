"""Says which library of the kernels this machine uses: python -m brave_tf.data.kernels."""

from __future__ import annotations

from brave_tf.process import startup


def main() -> None:
    """Prints one line; compiles the kernels if they are used for the first time and no wheel carries them."""
    startup.import_tensorflow()
    from brave_tf.data.kernels import carried, library

    with library.compiled_kernels():
        operations = library.operations()
    if operations is None:
        print("none: TensorFlow's own operations do the work of the kernels")
    elif operations.__file__ == str(carried.find()):
        print(f"of the wheel: {operations.__file__}")
    else:
        print(f"compiled on this machine: {operations.__file__}")


if __name__ == "__main__":
    main()
