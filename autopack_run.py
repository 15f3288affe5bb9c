"""The entry point of autopack-run.

`launcher` and `shells` are common names: a client with folders of these names on PYTHONPATH or in the current
folder would be imported in their place. So the folder of this file stands first while they are imported, and is
taken away again before anything of the client is looked at.
"""

import os
import sys


def main() -> int:
    """Run the command line and return its exit code."""
    guard = sys.modules.get("_autopack_run_guard")  # of a launch around this one
    if guard is not None:
        guard.stand_aside()
    own = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, own)
    try:
        import launcher.cli
        import shells.base  # noqa: F401  (the package stays bound for the imports inside functions)
    except KeyboardInterrupt:  # Ctrl-C before there is anybody to tell it
        return 130
    finally:
        sys.path.remove(own)
    return launcher.cli.main()


if __name__ == "__main__":
    sys.exit(main())
