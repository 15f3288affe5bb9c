"""Starts the guard of autopack-run, then the sitecustomize that this file hides (docs/guard.md)."""

import _autopack_run_guard

_autopack_run_guard.start()
_autopack_run_guard.chain(__file__)
