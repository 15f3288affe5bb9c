"""The verdict of a run: one report after the child, for a person and as JSON."""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from launcher import drift
from launcher.observed import Observed
from launcher.output import printable
from launcher.records import Override, Records, Start
from launcher.strays import Change
from launcher.usage import MEMORY, Pinned, Used, collect, few

SCHEMA = 1
"""The number in the JSON report; it grows when a field changes its meaning or goes away."""


class Verdict(NamedTuple):
    """What a run did. word: `proven`, `not proven` or `drift`. problems: the drift; doubts: why not proven."""

    word: str
    problems: list[drift.Problem]
    doubts: list[str]
    used: list[Used]
    overrides: list[Override]
    unguarded: list[str]
    connections: list[str]


class Rules(NamedTuple):
    """What counts in a run. allowed: globs. opens: the pinned one must be opened. folders: where none may appear."""

    allowed: Sequence[str]
    opens: bool
    folders: Sequence[str]
    elsewhere: frozenset[str] = frozenset()
    """Databases that other launches have pinned: that they change here is those launches' doing."""


def judge(
    pinned: Pinned, observed: Sequence[Observed], changes: Sequence[Change], rules: Rules, doubts: Sequence[str] = ()
) -> Verdict:
    """Put the evidence together. doubts: what could not be watched, in words."""
    records = [each.records() for each in observed]
    ours = [change for change in changes if os.path.normcase(os.path.realpath(change.path)) not in rules.elsewhere]
    ours, foreign = _split(ours, pinned, observed)
    used = collect(pinned, observed, ours)
    problems = drift.problems(used, pinned, rules.allowed, rules.folders)
    opened = any(each.pinned and each.how != "changed" for each in used)
    broken = [text for found in records for _, text in found.errors]
    if rules.opens and not opened and not broken:  # what was opened may be among the lost records
        problems.append(drift.Problem("", f"{pinned.shown} was never opened (opens = true)"))
    unguarded = [text for each, found in zip(observed, records, strict=True) for text in _unguarded(each, found)]
    lacking = list(doubts) + broken
    if not opened:
        lacking.append(f"nothing was seen opening {pinned.shown}")
    lacking += foreign
    lacking += pinned.addresses.doubts if pinned.addresses else []
    if any(each.watch.connections for each in observed):  # most runs on a file have none
        from launcher.unknown_servers import unknown_servers

        lacking += unknown_servers(pinned, observed, records, used)
    if unguarded:
        lacking.append(f"not guarded: {few(unguarded)}")
    word = "drift" if problems else "not proven" if lacking else "proven"
    overrides = [each for found in records for each in found.overrides]
    talked = sorted({f"{each.host}:{each.port}" for seen in observed for each in seen.watch.connections})
    return Verdict(word, problems, lacking, used, overrides, unguarded, talked)


def _split(changes: list[Change], pinned: Pinned, observed: Sequence[Observed]) -> tuple[list[Change], list[str]]:
    """The changes that may be the run's, and texts on those that a process outside of it has open."""
    from launcher.holders import holders

    own = {pid for each in observed for pid in each.watch.processes}
    left, foreign = [], []
    for change in changes:
        mine = change.new or pinned.is_at(change.path, change.device, change.inode)
        others = [] if mine else holders(change.path, own)
        if others:
            foreign.append(f"{change.path} changed, which {few(others)} outside of this run has open")
        else:
            left.append(change)
    return left, foreign


def _unguarded(observed: Observed, records: Records) -> list[str]:
    """The programs without a guard: those that were seen, and those that a guarded one has started or become.

    A shell or another language may open what it likes, and start a Python without the guard.
    """
    guarded = {process.pid for process in records.processes} - set(records.replaced)
    processes = observed.watch.processes.items()
    of_windows = observed.harmless()
    harmless = guarded | records.system | of_windows
    found = {pid: f"{seen.name} (pid {pid})" for pid, seen in processes if pid not in harmless}
    found |= {pid: f"{name} (pid {pid})" for pid, name in observed.roots.items() if pid not in harmless}
    found |= {pid: f"{name} (pid {pid})" for pid, name in records.replaced.items()}
    # A fork copies the guard, and what the copy becomes then may have none.
    begun = {process.pid for process in records.processes if process.how == "exec"}
    starts = [start for start in records.starts if start.child not in begun | of_windows]
    found |= {start.child: _started(start) for start in starts if start.child}
    unknown = [_started(start) for start in starts if not start.child]
    return [found[pid] for pid in sorted(found)] + list(dict.fromkeys(unknown))


def _started(start: Start) -> str:
    pid = f"pid {start.child}, " if start.child else ""
    return f"{start.program} ({pid}started at {start.where})"


def lines(what: str, verdict: Verdict, pinned: Pinned) -> list[str]:
    """The report for a person: a line on the pinned database, and one for whatever else is worth it."""
    own = next((used for used in verdict.used if used.pinned and used.how != "changed"), None)
    told = []
    if own:
        only = " only" if _alone(verdict, pinned) else ""
        shows = "as its open files show" if pinned.url and pinned.url.path else "as the server's list of sessions shows"
        first = f", first at {own.where}" if own.where else f", {shows}"
        told.append(f"{what}: {pinned.shown}{only}: opened by {own.programs}{first}")
    told += [f"{what}: not proven: {text}" for text in verdict.doubts]
    for used in verdict.used:
        if not used.pinned and used.place != MEMORY and (used.blocked or not _told_as_drift(used, verdict)):
            told.append(f"{what}: {_other(used)}")
        elif used.place == MEMORY and not own:
            told.append(f"{what}: a private in-memory database was opened, first at {used.where}")
    told += [f"{what}: {text}" for text in _overridden(verdict.overrides)]
    return [printable(f"autopack-run: {text}") for text in told]


def _alone(verdict: Verdict, pinned: Pinned) -> bool:
    """Whether nothing else can have been used: beside a server's database a connection elsewhere may be to another."""
    url = pinned.url
    # USE takes a session of MySQL to another database, and nothing shows it.
    may_change = url is not None and url.dialect in ("mysql", "mariadb")
    elsewhere = may_change or (url is not None and not url.path and len(verdict.connections) > 1)
    return (
        not any(not used.pinned and not used.blocked for used in verdict.used) and not verdict.doubts and not elsewhere
    )


def _told_as_drift(used: Used, verdict: Verdict) -> bool:
    return any(problem.place == used.place for problem in verdict.problems)


def _other(used: Used) -> str:
    if used.blocked:
        return f"blocked: {used.place} by {used.programs}, at {used.where}"
    by = f" by {used.programs}" if used.by else ""
    first = f", first at {used.where}" if used.where else ""
    how = {"opened": "also opened", "open": "also open"}.get(used.how, "appeared" if used.new else "changed")
    return f"{how}: {used.place}{by}{first} (no drift)"


def _overridden(overrides: Sequence[Override]) -> list[str]:
    places: dict[str, list[Override]] = {}
    for each in overrides:
        places.setdefault(each.outcome, []).append(each)
    verbs = {"kept": "kept in spite of", "raised": "an error at", "restored": "put back for", "reported": "in doubt:"}
    return [f"pins {verbs.get(outcome, outcome)} {_places(found)}" for outcome, found in places.items()]


def _places(overrides: Sequence[Override]) -> str:
    return few(list(dict.fromkeys(f"{each.where} ({each.name})" for each in overrides)))


def as_json(verdict: Verdict, pinned: Pinned) -> dict[str, Any]:
    """The verdict as JSON; what a launch is, its exit codes and its servers are the caller's to add."""
    return {
        "schema": SCHEMA,
        "verdict": verdict.word,
        "database": {
            "name": pinned.name,
            "place": pinned.url.shown if pinned.url else None,
            "db_id": pinned.db_id or None,
        },
        "drift": [problem.text for problem in verdict.problems],
        "not_proven": verdict.doubts,
        "databases": [
            used._asdict() | {"by": [{"pid": pid, "program": name} for pid, name in used.by.items()]}
            for used in verdict.used
        ],
        "overrides": [each._asdict() for each in verdict.overrides],
        "unguarded": verdict.unguarded,
        "connections": verdict.connections,
    }
