# Finishes the installation at the first logon: guest tools, applications, scripts, each with its exit status in the
# log and on the report port, and one restart after the last. It says what it does in its log, whatever happens.
$ErrorActionPreference = 'Stop'
$medium = Split-Path -Parent $MyInvocation.MyCommand.Path
$folder = Join-Path $env:ProgramData 'infinibay'
$work = Join-Path $folder 'setup'
$log = Join-Path $folder 'setup.log'
$reports = Join-Path $folder 'reports'

function Write-Log([string] $text) {
    Add-Content -LiteralPath $log -Encoding UTF8 -Value ('{0:s} {1}' -f (Get-Date), $text)
}

# Scripts and their output may be secret, so the folder is the system's and the administrators' alone. What an image
# has in it are another machine's reports.
function Initialize-Folder {
    Remove-Item -Recurse -Force -LiteralPath $folder -ErrorAction SilentlyContinue
    New-Item -ItemType Directory -Force -Path $folder | Out-Null
    & icacls.exe $folder /inheritance:r /grant '*S-1-5-18:(OI)(CI)F' '*S-1-5-32-544:(OI)(CI)F' | Out-Null
    Copy-Item -Recurse -Force -LiteralPath $medium -Destination $work
}

# A port is a device, which .NET opens only by a handle that Windows made.
function Initialize-Port {
    Add-Type -Namespace Infinibay -Name Device -UsingNamespace 'Microsoft.Win32.SafeHandles' -MemberDefinition @'
[DllImport("kernel32.dll", CharSet = CharSet.Unicode, SetLastError = true)]
public static extern SafeFileHandle CreateFile(string name, uint access, uint share, IntPtr security, uint creation,
    uint flags, IntPtr template);
'@
}

# Sends all reports so far. While the host does not listen, the port refuses or waits: for these seconds, no longer.
function Send-Reports([int] $seconds) {
    $writeAccess = [Convert]::ToUInt32('40000000', 16)
    $overlapped = [Convert]::ToUInt32('40000000', 16)
    $openExisting = 3
    $handle = [Infinibay.Device]::CreateFile(
        "\\.\Global\$($plan.port)", $writeAccess, 0, [IntPtr]::Zero, $openExisting, $overlapped, [IntPtr]::Zero)
    if ($handle.IsInvalid) {
        if ($plan.url) {
            $headers = @{ Authorization = "Bearer $($plan.token)" }
            $body = [IO.File]::ReadAllBytes($reports)
            Invoke-RestMethod -Method Post -Uri $plan.url -Headers $headers -Body $body -TimeoutSec $seconds
            return
        }
        throw "There is no port $($plan.port)"
    }
    $deadline = (Get-Date).AddSeconds($seconds)
    try {
        $stream = New-Object IO.FileStream($handle, [IO.FileAccess]::Write, 1, $true)
        $bytes = [IO.File]::ReadAllBytes($reports)
        while ($true) {
            try {
                if ($stream.WriteAsync($bytes, 0, $bytes.Length).Wait($seconds * 1000)) {
                    return
                }
                throw 'The host does not read'
            } catch {
                if ((Get-Date) -ge $deadline) {
                    throw
                }
            }
            Start-Sleep -Seconds 1
        }
    } finally {
        $handle.Dispose()
    }
}

function Send-Report([hashtable] $report, [int] $seconds = 5) {
    try {
        $line = (ConvertTo-Json -Compress -InputObject $report) + "`n"
        [IO.File]::AppendAllText($reports, $line, (New-Object Text.UTF8Encoding($false)))
        Send-Reports $seconds
    } catch {
        Write-Log "A report was not sent: $_"
    }
}

# The exit status of a program; what it prints is in the log.
function Start-Program([string] $program, [string[]] $arguments) {
    $output = Join-Path $folder 'output'
    $errors = Join-Path $folder 'errors'
    $options = @{ FilePath = $program; PassThru = $true; NoNewWindow = $true }
    $process = Start-Process @options -ArgumentList $arguments -RedirectStandardOutput $output -RedirectStandardError $errors
    # Without the handle, .NET forgets the exit status of a process that has ended.
    $null = $process.Handle
    $process.WaitForExit()
    foreach ($file in $output, $errors) {
        Get-Content -LiteralPath $file -ErrorAction SilentlyContinue | ForEach-Object { Write-Log "  $_" }
        Remove-Item -Force -LiteralPath $file -ErrorAction SilentlyContinue
    }
    return $process.ExitCode
}

function Start-Task([string] $kind, [string] $id, [scriptblock] $action) {
    Write-Log "$kind $id begins"
    try {
        $status = [int] (& $action)
    } catch {
        Write-Log "$_"
        $status = 1
    }
    Write-Log "$kind $id ended with $status"
    Send-Report @{ event = 'task'; kind = $kind; id = $id; status = $status }
}

# The installers on the virtio driver medium, whichever drive that is.
function Install-GuestTools {
    foreach ($drive in Get-PSDrive -PSProvider FileSystem) {
        $tools = Join-Path $drive.Root 'virtio-win-guest-tools.exe'
        $agent = Join-Path $drive.Root 'guest-agent\qemu-ga-x86_64.msi'
        if (Test-Path -LiteralPath $tools) {
            return Start-Program $tools @('/install', '/quiet', '/norestart')
        }
        if (Test-Path -LiteralPath $agent) {
            return Start-Program 'msiexec.exe' @('/i', "`"$agent`"", '/qn', '/norestart')
        }
    }
    throw 'No drive holds the guest tools'
}

function Start-File([string] $file) {
    $path = Join-Path $work $file
    if ($file.EndsWith('.ps1')) {
        $arguments = '-NoProfile', '-NonInteractive', '-ExecutionPolicy', 'Bypass', '-File', "`"$path`""
        return Start-Program 'powershell.exe' $arguments
    }
    return Start-Program 'cmd.exe' @('/d', '/c', "`"chcp 65001 >nul & call `"$path`"`"")
}

# Windows keeps the password of the automatic logon until somebody removes it, and copies of the answer file; from
# Windows 11 24H2 on also as it was given, with its secrets.
function Remove-Secrets {
    $logon = 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon'
    Set-ItemProperty -LiteralPath $logon -Name AutoAdminLogon -Value '0'
    Remove-ItemProperty -LiteralPath $logon -Name @('DefaultPassword', 'AutoLogonCount') -ErrorAction SilentlyContinue
    foreach ($place in 'Panther', 'Panther\Unattend', 'System32\Sysprep') {
        foreach ($name in 'unattend.xml', 'unattend-original.xml') {
            $copy = Join-Path (Join-Path $env:WINDIR $place) $name
            Remove-Item -Force -LiteralPath $copy -ErrorAction SilentlyContinue
        }
    }
}

try {
    Initialize-Folder
    $plan = Get-Content -Raw -LiteralPath (Join-Path $work 'plan.json') | ConvertFrom-Json
    Remove-Secrets
    Initialize-Port
    Send-Report @{ event = $plan.begins }
    if ($plan.tools) {
        Start-Task 'agent' 'qemu-guest-agent' { Install-GuestTools }
    }
    foreach ($task in $plan.tasks) {
        Start-Task $task.kind $task.id { Start-File $task.file }
    }
    Remove-Item -Recurse -Force -LiteralPath $work
    Send-Report @{ event = 'finished' } 600
} catch {
    Write-Log "The installation did not finish: $_"
    Send-Report @{ event = 'failed' }
} finally {
    & shutdown.exe /r /t 5
}
