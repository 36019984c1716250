"""PostgreSQL that is started and stopped with the server: no TCP, one Unix socket that only its owner and root reach.

Several processes may share one base directory: who finds the database running joins it, and only its starter stops
it. The kernel stops it when its starter dies by whatever means; whoever calls `start` next begins where it ended.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg.pq import PGconn, Ping

from infinibay.db.postgres_programs import SUPERUSER, Account, Programs, account_for, find_programs, reachable
from infinibay.db.postgres_upgrade import refuse_other_major
from infinibay.errors import DatabaseUnavailable, SettingError
from infinibay.log import get_logger
from infinibay.settings import Settings

log = get_logger(__name__)

DATABASE = "infinibay"
_PORT = 5432
_SOCKET = f".s.PGSQL.{_PORT}"
_LONGEST_SOCKET_PATH = 107
_START_SECONDS = 60
_STOP_SECONDS = 20
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class EmbeddedPostgres:
    """One database cluster below a base directory."""

    def __init__(self, *, data_dir: Path, socket_dir: Path, copies_dir: Path) -> None:
        """`copies_dir` takes PostgreSQL's programs when the account that runs them cannot reach the installed ones.

        Raises SettingError when the socket's path cannot be used: the kernel limits its length, libpq its characters.
        """
        self._data_dir = data_dir
        self._socket_dir = socket_dir
        self._copies_dir = copies_dir
        self._process: subprocess.Popen[bytes] | None = None
        self._was_there = False
        # The kernel's death signal follows the thread that forked, so one thread lives as long as this object.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="postgres")
        if "," in str(socket_dir):
            raise SettingError(
                "INFINIBAY_BASE_DIR", f"must not have a comma: PostgreSQL would take {socket_dir} for two places"
            )
        length = len(os.fsencode(socket_dir / _SOCKET))
        if length > _LONGEST_SOCKET_PATH:
            raise SettingError(
                "INFINIBAY_BASE_DIR",
                f"is too long by {length - _LONGEST_SOCKET_PATH} bytes for the socket of PostgreSQL below it "
                f"({length} bytes; the system allows {_LONGEST_SOCKET_PATH})",
            )

    @classmethod
    def of(cls, settings: Settings) -> EmbeddedPostgres:
        """The cluster of a base directory."""
        return cls(
            data_dir=settings.database_dir,
            socket_dir=settings.run_dir / "postgres",
            copies_dir=settings.infinibay_base_dir / "postgresql",
        )

    async def start(self) -> str:
        """Starts the database unless it answers already, and returns its URL.

        Raises SettingError for what the operator must mend, and DatabaseUnavailable with PostgreSQL's last lines.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._start)

    async def stop(self) -> None:
        """Stops the database if this object started it; open transactions are rolled back."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._stop)

    async def keep_running(self) -> None:
        """Starts the database again whenever it is gone; ends by cancellation."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(1)
            if await loop.run_in_executor(self._thread, self._answers):
                continue
            log.warning("postgres.gone", data=str(self._data_dir))
            try:
                await self.start()
            except (DatabaseUnavailable, SettingError, OSError) as error:
                log.error("postgres.not_started", error=str(error))  # noqa: TRY400 - the message says it all

    @property
    def url(self) -> str:
        """What psycopg and Prisma's adapter both understand; `host` carries the directory of the socket."""
        return self._url(DATABASE)

    def _url(self, database: str) -> str:
        return f"postgresql://{SUPERUSER}@localhost:{_PORT}/{database}?host={quote(str(self._socket_dir), safe='')}"

    def _start(self) -> str:
        if self._was_there and not self._data_dir.exists():
            # A new and empty one in its place would hide that the data are away, as after a lost mount.
            raise DatabaseUnavailable(f"The database's directory {self._data_dir} is gone; bring it back.")
        try:
            _make_open(self._socket_dir.parent)
            with self._one_starter():
                deadline = time.monotonic() + _START_SECONDS
                while not self._answers():
                    if not self._predecessors():
                        self._launch()
                        break
                    _pause(deadline, "Another PostgreSQL of this directory neither answers nor ends.")
        except PermissionError as error:
            raise SettingError("INFINIBAY_BASE_DIR", f"cannot be written by this user: {error.filename}") from error
        self._was_there = True
        return self.url

    @contextmanager
    def _one_starter(self) -> Iterator[None]:
        with self._socket_dir.with_suffix(".lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _answers(self) -> bool:
        return PGconn.ping(f"{self._url(SUPERUSER)}&connect_timeout=2".encode()) == Ping.OK

    def _predecessors(self) -> list[int]:
        """Processes of an earlier start that still live: one being started or stopped, or left by a killed one."""
        place = self._data_dir.resolve()
        return [int(path.name) for path in Path("/proc").glob("[0-9]*") if _is_postgres_in(path, place)]

    def _launch(self) -> None:
        account = account_for(self._data_dir)
        _make_open(self._data_dir.parent)
        programs = reachable(find_programs(), account, self._copies_dir)
        refuse_other_major(self._data_dir, programs, account, self._copies_dir)
        self._prepare_socket_dir(account)
        if not self._data_dir.exists():
            self._initialise(programs, account)
        # Nothing runs here any more, so what these files name is gone, and its number may be somebody else's by now.
        (self._data_dir / "postmaster.pid").unlink(missing_ok=True)
        (self._socket_dir / f"{_SOCKET}.lock").unlink(missing_ok=True)
        self._run(programs, account)
        self._make_database()

    def _prepare_socket_dir(self, account: Account) -> None:
        self._socket_dir.mkdir(mode=0o700, exist_ok=True)
        account.give(self._socket_dir)
        for directory in (self._data_dir.parent, self._socket_dir):
            if not account.can_enter(directory):
                closed = next(path for path in (*reversed(directory.parents), directory) if not account.can_enter(path))
                raise SettingError(
                    "INFINIBAY_BASE_DIR",
                    f"cannot be reached by the account {account.name}, which runs PostgreSQL: allow it with "
                    f"`chmod o+x {closed}`, or choose another directory",
                )

    def _initialise(self, programs: Programs, account: Account) -> None:
        """Makes the cluster beside its place and moves it there whole, so that a killed start leaves no half of it."""
        unfinished = self._data_dir.with_name(f"{self._data_dir.name}.unfinished")
        if unfinished.exists():
            shutil.rmtree(unfinished)
        unfinished.mkdir(mode=0o700)
        account.give(unfinished)
        initdb = account.spawn([programs.bin / "initdb", "-D", unfinished, *programs.initdb_options()], subprocess.PIPE)
        output, _ = initdb.communicate()
        if initdb.returncode != 0:
            raise DatabaseUnavailable(f"The database could not be made:\n{output.decode(errors='replace')}")
        unfinished.rename(self._data_dir)
        log.info("postgres.cluster_made", data=str(self._data_dir), version=programs.major, account=account.name)

    def _run(self, programs: Programs, account: Account) -> None:
        began = time.monotonic()
        output_file = self._socket_dir.with_suffix(".log")
        if self._process is not None:
            # The one that this object started earlier is gone; this takes its exit status.
            self._process.wait()
        with output_file.open("wb") as output:
            arguments = ["-D", str(self._data_dir), *_server_options(self._socket_dir)]
            process = account.spawn([programs.bin / "postgres", *arguments], output, _die_with(os.getpid()))
        self._process = process
        while not self._answers():
            if process.poll() is not None:
                raise DatabaseUnavailable(f"The database did not start:\n{self._last_lines(output_file)}")
            _pause(began + _START_SECONDS, "The database was started and does not answer yet.")
        log.info("postgres.started", pid=process.pid, seconds=round(time.monotonic() - began, 3))

    def _last_lines(self, output_file: Path) -> str:
        logs = sorted((self._data_dir / "log").glob("*.log"), key=lambda path: path.stat().st_mtime)[-1:]
        lines = [line for path in (output_file, *logs) for line in path.read_text(errors="replace").splitlines()]
        return "\n".join(lines[-20:])

    def _make_database(self) -> None:
        try:
            with psycopg.connect(self._url(SUPERUSER), autocommit=True) as connection:
                made = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
                if made is None:
                    connection.execute(f"CREATE DATABASE {DATABASE}")
        except psycopg.OperationalError as error:
            raise DatabaseUnavailable(f"The database ended while it was being started: {error}") from error

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        # Fast, then immediate (it recovers at the next start), then by force.
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            process.send_signal(number)
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                log.warning("postgres.does_not_stop", pid=process.pid, signal=number.name)
            else:
                log.info("postgres.stopped", pid=process.pid)
                return


def _server_options(socket_dir: Path) -> list[str]:
    quoted = '"' + str(socket_dir).replace('"', '""') + '"'
    settings = {
        "listen_addresses": "",
        "port": str(_PORT),
        "unix_socket_directories": quoted,
        "unix_socket_permissions": "0700",
        "max_connections": "200",
        "timezone": "UTC",
        # One file for each day of the week, written over when the day comes again.
        "logging_collector": "on",
        "log_directory": "log",
        "log_filename": "postgresql-%a.log",
        "log_truncate_on_rotation": "on",
        "log_rotation_age": "1d",
        "log_rotation_size": "0",
        "log_timezone": "UTC",
    }
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def _die_with(parent: int) -> Callable[[], None]:
    """What the child does before it becomes PostgreSQL: ask for a fast shutdown when the thread that forked it ends."""

    def before() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != parent:
            os._exit(1)

    return before


def _is_postgres_in(process: Path, place: Path) -> bool:
    try:
        return (process / "cwd").readlink() == place and (process / "comm").read_text() == "postgres\n"
    except OSError:
        # It ended meanwhile, or it is somebody else's.
        return False


def _pause(deadline: float, message: str) -> None:
    if time.monotonic() > deadline:
        raise DatabaseUnavailable(message)
    time.sleep(0.005)


def _make_open(directory: Path) -> None:
    """Makes a directory and its missing parents; everybody may pass through them, whatever the umask."""
    for missing in reversed([path for path in (directory, *directory.parents) if not path.exists()]):
        missing.mkdir(exist_ok=True)
        missing.chmod(0o755)
