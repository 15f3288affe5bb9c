"""Nothing in a generated .ps1 needs PowerShell 7: judged by PowerShell's own parser, and the judge is put to the test."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from parts import need
from running import write

pytestmark = pytest.mark.posix

# What Windows PowerShell 5.1 cannot parse, or takes for something else. Each test gets a node of the syntax tree.
# https://learn.microsoft.com/powershell/scripting/whats-new/differences-from-windows-powershell and the What's New
# pages of 7.0 to 7.5.
JUDGE = r"""
$named = @(
    'IsWindows', 'IsLinux', 'IsMacOS', 'IsCoreCLR', 'PSStyle', 'EnabledExperimentalFeatures'
)
$commands = @('Get-Error', 'Test-Json', 'Join-String', 'Remove-Alias', 'Get-Uptime', 'ConvertFrom-Markdown', 'Start-ThreadJob')
$parameters = @('Parallel', 'AsHashtable', 'AsByteStream', 'SkipCertificateCheck', 'Environment', 'EscapeHandling', 'AsArray')
$rules = [ordered]@{
    '&& or ||' = { param($n) $n.GetType().Name -eq 'PipelineChainAst' }
    'ternary' = { param($n) $n.GetType().Name -eq 'TernaryExpressionAst' }
    '??' = { param($n) $n.GetType().Name -eq 'BinaryExpressionAst' -and "$($n.Operator)" -eq 'QuestionQuestion' }
    '??=' = { param($n) $n.GetType().Name -eq 'AssignmentStatementAst' -and "$($n.Operator)" -eq 'QuestionQuestionEquals' }
    '?. or ?[]' = { param($n) ($n.PSObject.Properties.Name -contains 'NullConditional') -and $n.NullConditional }
    'background &' = { param($n) ($n.PSObject.Properties.Name -contains 'Background') -and $n.Background }
    'clean block' = { param($n) $n.GetType().Name -eq 'ScriptBlockAst' -and $null -ne $n.CleanBlock }
    'redirected standard error' = { param($n) $n -is [System.Management.Automation.Language.RedirectionAst] -and "$($n.FromStream)" -in 'Error', 'All' }
    'number' = { param($n) $n.GetType().Name -eq 'ConstantExpressionAst' -and $n.Extent.Text -match '^[-+]?0b|(?<!x[0-9a-f]*)(?:n|y|uy|s|us|u|ul)$' }
    'escape' = { param($n) $n.GetType().Name -match '^(?:StringConstant|ExpandableString)ExpressionAst$' -and "$($n.StringConstantType)" -like 'DoubleQuoted*' -and $n.Extent.Text -cmatch '(?<!`)(?:``)*`(?:e|u\{)' }
    'variable' = { param($n) $n.GetType().Name -eq 'VariableExpressionAst' -and $n.VariablePath.UserPath -in $named }
    'command' = { param($n) $n.GetType().Name -eq 'CommandAst' -and $n.GetCommandName() -in $commands }
    'parameter' = { param($n) $n.GetType().Name -eq 'CommandParameterAst' -and $n.ParameterName -in $parameters }
    'utf8NoBOM' = { param($n) $n.GetType().Name -eq 'StringConstantExpressionAst' -and $n.Value -in 'utf8NoBOM', 'utf8BOM' }
}
foreach ($path in [Console]::In.ReadToEnd().Trim() -split "`n") {
    $tokens = $null; $errors = $null
    $tree = [System.Management.Automation.Language.Parser]::ParseFile($path, [ref] $tokens, [ref] $errors)
    $found = @($errors | ForEach-Object { "parse error: $($_.Message)" })
    foreach ($node in $tree.FindAll({ $true }, $true)) {
        foreach ($rule in $rules.Keys) { if (& $rules[$rule] $node) { $found += $rule } }
    }
    $line = 0
    foreach ($token in $tokens) {
        if ("$($token.Kind)" -eq 'Pipe' -and $token.Extent.StartLineNumber -ne $line) { $found += 'pipe begins a line' }
        $line = $token.Extent.EndLineNumber
        if ("$($token.Kind)" -eq 'NewLine') { $line = 0 }
    }
    ConvertTo-Json -Compress @{ path = $path; found = @($found | Sort-Object -Unique) }
}
"""
FORBIDDEN = {
    "git status && git log": "&& or ||",
    "git status || exit 1": "&& or ||",
    "$a = $true ? 1 : 2": "ternary",
    "$a = $b ?? 1": "??",
    "$a ??= 1": "??=",
    "${a}?.Length": "?. or ?[]",
    "${a}?.Trim()": "?. or ?[]",
    "${a}?[0]": "?. or ?[]",
    "Start-Sleep 1 &": "background &",
    "function f { process { 1 } clean { 2 } }": "clean block",
    "git status 2>$null": "redirected standard error",
    "git status 2>&1": "redirected standard error",
    "git status 2>> log": "redirected standard error",
    "git status *> log": "redirected standard error",
    "$a = 0b101": "number",
    "$a = 5n": "number",
    "$a = 5u": "number",
    "$a = 5uy": "number",
    '$a = "`e[0m"': "escape",
    '$a = "$b`u{2019}"': "escape",
    "if ($IsWindows) { 1 }": "variable",
    "$PSStyle.OutputRendering = 'Host'": "variable",
    "Get-Error": "command",
    "1..3 | ForEach-Object -Parallel { $_ }": "parameter",
    "'{}' | ConvertFrom-Json -AsHashtable": "parameter",
    "Set-Content x y -Encoding utf8NoBOM": "utf8NoBOM",
    "Get-Process\n| Sort-Object": "pipe begins a line",
    "if (": "parse error",
}
ALLOWED = [
    "'a && b ? c : d ?? e 2>&1' # && || ?? 2>$null",
    '"``e $a ``u{2019} `n"',
    "& $launcher @('x') > out.txt",
    "Get-Process |\n    Sort-Object",
    "$b = 1.5; $c = 10kb; $d = 5l; $e = 0x1f",
    "try { 1 } catch { 2 } finally { exit $LASTEXITCODE }",
    "$PSNativeCommandUseErrorActionPreference = $false",
]


def judged(paths: list[Path]) -> dict[Path, list[str]]:
    """What the judge finds in each file, by one start of PowerShell."""
    done = subprocess.run(
        [need("pwsh"), "-NoProfile", "-NonInteractive", "-Command", f"& {{ {JUDGE} }}"],
        input="".join(f"{path}\n" for path in paths),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    rows: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {Path(row["path"]): row["found"] for row in rows}


def test_generated_scripts_need_no_powershell_7(tmp_path: Path) -> None:
    from launcher.profiles import load_profile_file
    from launcher.quickstart import scripts
    from launcher.quickstart_steps import steps
    from launcher.template import render

    samples = tmp_path / "samples"
    samples.mkdir()
    for number, text in enumerate([*FORBIDDEN, *ALLOWED]):
        (samples / f"{number:02}.ps1").write_text(text + "\n", encoding="ascii")
    paths = sorted(samples.iterdir())
    text = render("rehearsal.toml.j2", python='"python"', url='"sqlite:///x.db"')
    for named in ("autopack-run.toml", "it's an other.toml"):
        file = load_profile_file(str(write(tmp_path, text).rename(tmp_path / named)))
        made = scripts(file, file.profile("telemetry"), steps(file, file.profile("telemetry")))[0]
        paths.append(tmp_path / f"{named}.ps1")
        paths[-1].write_bytes(made.text.encode("ascii"))
    found = judged(paths)
    assert list(found) == paths
    for path, rule in zip(paths, FORBIDDEN.values(), strict=False):
        assert any(each.startswith(rule) for each in found[path]), (path.read_text(), found[path])
    clean = {path.read_text(): found[path] for path in paths[len(FORBIDDEN) :]}
    assert {text: rules for text, rules in clean.items() if rules} == {}
