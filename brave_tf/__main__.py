"""Lists the commands, see `brave_tf.cli.__main__`."""

from brave_tf.cli.__main__ import main

if __name__ == "__main__":
    main()
