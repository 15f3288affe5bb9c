"""The house keeps its shape: imports go one way, heavy ones stay inside functions, names are the field's."""

import ast
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = [
    path
    for folder in ("launcher", "shells")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if path.name != "__init__.py" and "bootstrap" not in path.parts and "causes" not in path.parts
]
BOOTSTRAP = sorted((ROOT / "launcher" / "bootstrap").rglob("*.py"))
pytestmark = pytest.mark.skipif(not SOURCES, reason="the sources are not beside the tests")

# Who may import whom, the lowest first: a module imports only from floors below its own. Modules of one floor do not
# know each other, but for packages, whose modules are one thing.
FLOORS = [
    ["launcher.errors", "launcher.windows_lock", "launcher.child_job"],
    [
        "launcher.toml_lines",
        "launcher.nearest",
        "launcher.environment",
        "launcher.template",
        "launcher.owner",
        "launcher.output",
        "launcher.own_folder",
        "launcher.python_words",
        "launcher.holders",
        "launcher.evidence_files",
        "launcher.parent",
    ],
    ["launcher.python_starters"],
    ["launcher.hints", "launcher.shown", "launcher.text_files", "launcher.server_log"],
    ["launcher.violations"],
    ["launcher.schema", "launcher.discovery", "launcher.env_files", "launcher.placeholders", "launcher.ports"],
    ["launcher.programs", "launcher.seen", "launcher.sockets"],
    [
        "launcher.identity",
        "launcher.interpreter",
        "launcher.profiles",
        "launcher.init",
        "launcher.batch",
        "launcher.which_file",
    ],
    ["launcher.pins", "launcher.evidence_sockets", "launcher.sqlite_files", "launcher.server_order"],
    ["launcher.plan", "launcher.connect", "launcher.evidence_linux", "launcher.evidence_psutil"],
    [
        "launcher.proof",
        "launcher.acceptance",
        "launcher.explain",
        "launcher.child",
        "launcher.banner",
        "launcher.evidence",
        "launcher.evidence_servers",
        "launcher.strays",
        "launcher.health",
    ],
    ["launcher.guard", "launcher.records", "launcher.run_folder"],
    ["launcher.observed", "launcher.launch", "launcher.creating"],
    ["launcher.usage"],
    ["launcher.drift", "launcher.run", "launcher.unknown_servers", "launcher.server_ports"],
    ["launcher.report", "launcher.server_proof"],
    ["launcher.report_file"],
    ["launcher.in_front"],
    ["launcher.servers"],
    ["launcher.judged"],
    ["launcher.tasks", "launcher.shell_choice"],
    ["launcher.env_text", "launcher.interactive", "launcher.generated"],
    ["launcher.quickstart_steps", "launcher.asked"],
    ["launcher.quickstart"],
    ["launcher.onboarding"],
    ["launcher.actions", "launcher.rehearsal"],
    ["launcher.database_actions"],
    ["launcher.profile_commands"],
    ["launcher.commands"],
    ["launcher.cli"],
]
PACKAGES = ("launcher.identity", "launcher.rehearsal")
# One module in several files: the platform's half is imported inside the function that picks it.
FAMILIES = {f"launcher.child_{part}": "launcher.child" for part in ("posix", "fork", "keeper", "tree", "windows")} | {
    "launcher.plan_layers": "launcher.plan"
}
# What the workload may know of the launcher: nothing. The command that plays it is a part of the launcher.
WORKLOAD_OUTSIDERS = ("command", "evidence", "probe")
WORKLOAD_OUTSIDE_FOLDERS = ("drift",)


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def room(module: str) -> str:
    """The room a module belongs to: its package, its family, or itself."""
    package = next((name for name in PACKAGES if module == name or module.startswith(name + ".")), None)
    return package or FAMILIES.get(module, module)


def is_workload(path: Path) -> bool:
    outside = path.stem in WORKLOAD_OUTSIDERS or path.parent.name in WORKLOAD_OUTSIDE_FOLDERS
    return room(module_name(path)) == "launcher.rehearsal" and not outside


def imports(path: Path, everywhere: bool = True) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module in ("launcher", "launcher.identity", "launcher.rehearsal", "shells"):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            else:
                yield node.module


def floor(module: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room(module) in rooms)


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_imports_go_one_way(path: Path) -> None:
    own = module_name(path)
    for imported in imports(path):
        if own.startswith("shells"):
            assert not imported.startswith("launcher"), f"{own} imports {imported}: shells know nothing of the launcher"
        elif imported.startswith("launcher") and room(imported) != room(own):
            assert floor(imported) < floor(own), f"{own} imports {imported} from the same floor or from above"


@pytest.mark.parametrize("path", [path for path in SOURCES if is_workload(path)], ids=module_name)
def test_the_workload_is_a_client_that_knows_nothing_of_the_launcher(path: Path) -> None:
    outside = [name for name in imports(path) if name.startswith("launcher") and room(name) != "launcher.rehearsal"]
    assert not outside


@pytest.mark.parametrize("path", [path for path in SOURCES if not is_workload(path)], ids=module_name)
def test_heavy_libraries_are_imported_inside_functions(path: Path) -> None:
    heavy = (
        "sqlalchemy",
        "jinja2",
        "psutil",
        "starlette",
        "uvicorn",
        "shellingham",
        "dotenv",
        "fastjsonschema",
        "tomllib",
    )
    tops = {name.split(".")[0] for name in imports(path, everywhere=False)}
    assert not tops & set(heavy)


def test_no_module_is_without_a_floor() -> None:
    homeless = [module_name(path) for path in SOURCES if module_name(path).startswith("launcher")]
    rooms = {name for floor_rooms in FLOORS for name in floor_rooms}
    assert [name for name in homeless if room(name) not in rooms] == []


@pytest.mark.parametrize("path", BOOTSTRAP, ids=lambda path: path.stem)
def test_the_childs_half_needs_nothing_but_python_3_8(path: Path) -> None:
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))
    tops = {name.split(".")[0] for name in imports(path)}
    assert tops - {"_autopack_run_guard", "_frozen_importlib", "_frozen_importlib_external"} <= sys.stdlib_module_names


def test_names_are_the_fields() -> None:
    for path in [*SOURCES, *(ROOT / "tests").glob("*.py")]:
        for found in re.findall(r"^\s*(?:class|def) (\w*)", path.read_text(encoding="utf-8"), re.MULTILINE):
            assert not re.search(r"Manager|Helper|Utils?$|_util|_helper", found), f"{path.name}: {found}"


def test_public_functions_say_what_they_do() -> None:
    silent = []
    for path in SOURCES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if (
                isinstance(node, ast.FunctionDef | ast.ClassDef)
                and not node.name.startswith("_")
                and not ast.get_docstring(node)
            ):
                silent.append(f"{module_name(path)}.{node.name}")
    # click takes a command's words from its decorator.
    assert [name for name in silent if not name.startswith(("launcher.commands.", "launcher.profile_commands."))] == []


@pytest.mark.skipif(sys.platform == "win32", reason="looks at the checkout, which is one and the same")
def test_nothing_of_this_machine_is_in_the_checkout() -> None:
    import subprocess

    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    names = [name for name in listed.stdout.split("\0") if name]
    assert not [name for name in names if os.path.basename(name) in ("uv.lock", "poetry.lock", "package-lock.json")]
    machine = re.compile(
        "|".join(("/wo" + "rk/", "/ro" + "ot/", "pypi" + ".org", "pythonhosted" + ".org", "registry" + ".npmjs"))
    )
    for name in names:
        text = (ROOT / name).read_bytes().decode("utf-8", "replace") if (ROOT / name).is_file() else ""
        assert not machine.search(text), f"{name}: {machine.search(text)}"
