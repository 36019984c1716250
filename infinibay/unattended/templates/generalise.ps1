# Takes out of a Windows what is one machine's alone; the next start makes it anew. Ends with 21 where sysprep refuses,
# and with 22 where it does not end.
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$sysprep = Join-Path $env:WINDIR 'System32\Sysprep'
$errors = Join-Path $sysprep 'Panther\setuperr.log'
$generalised = 'IMAGE_STATE_GENERALIZE_RESEAL_TO_OOBE'
$patience = 1800
$grace = 60

function Remove-File([string] $path) {
    if (Test-Path -LiteralPath $path) {
        Remove-Item -Recurse -Force -LiteralPath $path
    }
}

function Get-ImageState {
    return (Get-ItemProperty -LiteralPath 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Setup\State').ImageState
}

# Answers that would win over those on another machine's medium, and the secrets of this one in their copies.
foreach ($place in 'Panther', 'Panther\Unattend', 'System32\Sysprep') {
    foreach ($name in 'unattend.xml', 'unattend-original.xml') {
        Remove-File (Join-Path (Join-Path $env:WINDIR $place) $name)
    }
}
Remove-ItemProperty -LiteralPath 'HKLM:\SYSTEM\Setup' -Name UnattendFile -ErrorAction SilentlyContinue
# The log and the reports of this machine, and what an earlier sysprep complained of.
Remove-File (Join-Path $env:ProgramData 'infinibay')
Remove-File $errors

$arguments = '/generalize', '/oobe', '/quit', '/quiet'
$process = Start-Process -PassThru -FilePath (Join-Path $sysprep 'sysprep.exe') -ArgumentList $arguments
if (-not $process.WaitForExit($patience * 1000)) {
    exit 22
}
# It says that it is done in the registry alone, perhaps a moment after it has ended.
$deadline = (Get-Date).AddSeconds($grace)
while ((Get-ImageState) -ne $generalised) {
    if ((Get-Date) -ge $deadline) {
        # The reason comes first; what follows tells which parts gave up because of it.
        $lines = Get-Content -LiteralPath $errors -ErrorAction SilentlyContinue | Select-Object -First 2
        $lines | ForEach-Object { [Console]::Error.WriteLine(($_ -replace '^.*?SYSPRP\s*', '')) }
        exit 21
    }
    Start-Sleep -Seconds 1
}
exit 0
