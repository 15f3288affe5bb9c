"""The docs say what the code does: commands, options, exit codes, keys, faults, examples."""

import ast
import json
import re
from pathlib import Path

import pytest
from running import run, write

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
pytestmark = pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="the docs are not beside the tests")


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def table(page: str, heading: str) -> list[list[str]]:
    """The cells of the first table after the heading, without its first row."""
    after = page[page.index(heading) :]
    lines = re.search(r"((?:^\|.*\n)+)", after, re.MULTILINE)
    assert lines, heading
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[1].splitlines()]
    return rows[2:]


def test_every_command_is_documented() -> None:
    from launcher import commands
    from launcher.profile_commands import PROFILE_COMMANDS
    from launcher.profiles import ACTIONS

    documented = {
        cell
        for row in table(text("README.md"), "| command |")
        for cell in re.findall(r"`autopack-run ([^`]*)`", row[0])
    }
    words = {words.split()[1] if words.startswith("PROFILE ") else words.split()[0] for words in documented}
    assert words - {"PROFILE", "TASK"} == {*PROFILE_COMMANDS, *commands.root.commands}
    assert set(PROFILE_COMMANDS) == set(ACTIONS)


def test_every_option_is_documented() -> None:
    import click

    from launcher import commands

    options = [each for each in commands.root.params if isinstance(each, click.Option) and not each.hidden]
    known = {name for option in options for name in option.opts} - {"--version"}
    documented = {
        name for row in table(text("README.md"), "| option") for name in re.findall(r"`(-{1,2}[a-z-]+)", row[0])
    }
    assert documented == known


def test_every_exit_code_is_documented() -> None:
    from launcher import cli, errors

    documented = {row[0] for row in table(text("README.md"), "| code |")}
    numbers = {str(value) for name, value in vars(errors).items() if name.isupper()} | {str(cli.INTERNAL), "128+N"}
    assert documented == numbers


def schema_keys() -> dict[str, set[str]]:
    schema = json.loads(text("launcher/autopack-run.schema.json"))
    properties = schema["properties"]
    profile = properties["profiles"]["additionalProperties"]["properties"]
    return {
        "### `[defaults]`": set(properties["defaults"]["properties"]),
        "### `[databases.NAME]`": set(properties["databases"]["additionalProperties"]["properties"]),
        "### `[profiles.NAME]`": set(profile),
        "### `[profiles.NAME.tasks.NAME]`": set(profile["tasks"]["additionalProperties"]["properties"]),
    }


@pytest.mark.parametrize("heading", schema_keys() if (ROOT / "docs").is_dir() else [])
def test_every_key_is_documented(heading: str) -> None:
    documented = {
        key for row in table(text("docs/profile-file.md"), heading) for key in re.findall(r"`([a-z_]+)`", row[0])
    }
    assert documented == schema_keys()[heading]


def raised_slugs() -> dict[str, set[int]]:
    """The slugs that the code raises, each with its exit codes, read from the calls themselves."""
    from launcher import cli, errors

    fixed = {"ConfigurationError": errors.CONFIGURATION, "WrongDataError": errors.WRONG_DATA}
    known = {name: value for name, value in vars(errors).items() if name.isupper()} | {"INTERNAL": cli.INTERNAL}
    found: dict[str, set[int]] = {}
    for path in (ROOT / "launcher").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in fixed:
                found.setdefault(node.args[0].value, set()).add(fixed[name])
            elif name == "LauncherError":
                code = node.args[1]
                word = code.attr if isinstance(code, ast.Attribute) else getattr(code, "id", None)
                found.setdefault(node.args[0].value, set()).add(known[word] if word else ast.literal_eval(code))
    return found


def test_every_fault_is_documented_with_its_code() -> None:
    page = text("docs/faults.md")
    documented = {
        slug: {int(code) for code in re.findall(r"\d+", codes)}
        for slug, codes in re.findall(r"^## (\S+)\n\nExit ([\d or]+)\.", page, re.M)
    }
    assert documented == raised_slugs()


def test_the_readmes_profile_file_is_valid(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", text("README.md"), re.DOTALL)
    assert example
    write(tmp_path, example[1])
    listed = run(["telemetry"], tmp_path)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "drain" in listed.stdout


@pytest.mark.parametrize(("page", "heading"), [("docs/shells.md", "| `--shell` |"), ("README.md", "| shell |")])
def test_the_lines_that_apply_env_are_those_of_the_shells(page: str, heading: str) -> None:
    from shells.table import SHELLS

    lines = {shell.apply(["autopack-run", "telemetry", "env"])[0] for shell in SHELLS.values()}
    documented = [row[1].strip("`").replace("\\|", "|") for row in table(text(page), heading)]
    # In a table's cell a line with backticks of its own stands between two.
    assert {line.strip("`") for line in documented} == {line.strip("`") for line in lines}


def test_every_shell_is_documented() -> None:
    from shells.table import SHELLS

    rows = table(text("docs/shells.md"), "| `--shell` |")
    assert {name for row in rows for name in re.findall(r"`([a-z]+)`", row[0])} == set(SHELLS)


def test_links_between_the_pages_lead_somewhere() -> None:
    for page in [README, *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("words", [["--help"], ["-h"]])
def test_help_names_every_command(words: list[str], tmp_path: Path) -> None:
    from launcher import commands

    shown = run(words, tmp_path)
    assert shown.returncode == 0
    assert all(f"\n  {name} " in shown.stdout for name in commands.root.commands)


def test_schema_prints_the_file(tmp_path: Path) -> None:
    printed = run(["schema"], tmp_path)
    assert printed.returncode == 0
    assert json.loads(printed.stdout) == json.loads(text("launcher/autopack-run.schema.json"))
