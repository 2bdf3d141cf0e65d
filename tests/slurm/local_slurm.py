"""A real Slurm of one node on this machine, private to this process, for tests of the cluster profile.

    python tests/slurm/local_slurm.py squeue         run a command with it at hand
    python tests/slurm/local_slurm.py --install      install the Debian packages (as root)

Its daemons are children of this process that end with it, its files lie in a temporary folder and its ports are free
ones: a Slurm that the machine has already is neither used nor touched. Processors, memory and GPUs are bookkeeping:
nothing is bound or limited, so requests of the size of a real cluster can be scheduled.
"""

import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol")
PARTITIONS = ("cpu", "gpu")
# Slurm wants one device file of its own for each GPU
GPU_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/urandom")
POLICY = Path("/usr/sbin/policy-rc.d")
SECONDS_TO_START = 30
SECONDS_TO_END = 20
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"  # daemons lie where not everybody looks

SETTINGS = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
# so long does a job that is put back have to wait
AuthInfo=socket={folder}/munge/socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
# neither control groups nor bound processors: these need a machine of one's own
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
ReturnToService=2
KillWait=5
# finished jobs are seen by squeue for so many seconds; without accounting it is all that tells of them
MinJobAge=3600
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=64 RealMemory=512000 Gres=gpu:{gpus} State=UNKNOWN
PartitionName={first} Nodes={host} Default=YES MaxTime=INFINITE
PartitionName={second} Nodes={host} MaxTime=INFINITE
"""


def missing_programs() -> list[str]:
    """Programs that Slurm needs here and that are not installed."""
    return [program for program in PROGRAMS if shutil.which(program, path=PATH) is None]


@contextmanager
def local_slurm() -> Iterator[dict[str, str]]:
    """Start Slurm; the environment in which its commands find it. All jobs and daemons end with the block.

    Raises:
        RuntimeError: If a daemon does not start; with the end of what it said.
    """
    with tempfile.TemporaryDirectory(prefix="slurm-") as name, ExitStack() as running:
        folder = Path(name)
        folder.chmod(0o755)  # munge refuses a socket that others could not reach
        environment = _configure(folder)
        start = partial(_daemon, running, folder, environment)
        socket_path = folder / "munge" / "socket"
        start(["munged", "--foreground", "--force", *_munge_files(folder)], socket_path.exists)
        # by these names alone: called slurmctld-wlm, as Debian's file is, it loses the GPUs of its node
        start(["slurmctld", "-D"], lambda: _answers(environment, "scontrol", "show", "nodes"))
        start(["slurmd", "-D"], lambda: _answers(environment, "srun", "--gpus=1", "true"))
        running.callback(_cancel_all, environment)
        yield environment


def _configure(folder: Path) -> dict[str, str]:
    for part in ("munge", "state", "spool"):
        (folder / part).mkdir()
    key = folder / "munge" / "key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    controller_port, node_port = _free_ports(2)
    settings = SETTINGS.format(
        folder=folder,
        host=socket.gethostname().partition(".")[0],
        user=subprocess.check_output(["id", "-un"], text=True).strip(),
        controller_port=controller_port,
        node_port=node_port,
        gpus=len(GPU_DEVICES),
        first=PARTITIONS[0],
        second=PARTITIONS[1],
    )
    (folder / "slurm.conf").write_text(settings)
    devices = "".join(f"Name=gpu File={device}\n" for device in GPU_DEVICES)
    (folder / "gres.conf").write_text(devices)
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "SBATCH"))}
    path = f"{_srun_that_finds_slurm(folder)}:{PATH}"
    return inherited | {"PATH": path, "SLURM_CONF": str(folder / "slurm.conf")}


def _srun_that_finds_slurm(folder: Path) -> Path:
    """Folder of a srun for jobs: Snakemake calls it without the variables SLURM_*, SLURM_CONF among them."""
    script = folder / "bin" / "srun"
    script.parent.mkdir()
    srun = shutil.which("srun", path=PATH)
    script.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {srun} "$@"\n')
    script.chmod(0o755)
    return script.parent


def _munge_files(folder: Path) -> list[str]:
    """Options that keep everything of munge in the folder."""
    options = {
        "socket": "socket",
        "key-file": "key",
        "log-file": "log",
        "pid-file": "pid",
        "seed-file": "seed",
    }
    return [f"--{option}={folder / 'munge' / name}" for option, name in options.items()]


def _free_ports(count: int) -> list[int]:
    with ExitStack() as open_sockets:
        sockets = [open_sockets.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _daemon(
    running: ExitStack,
    folder: Path,
    environment: dict[str, str],
    command: list[str],
    ready: Callable[[], bool],
) -> None:
    """Start a daemon, which ends with the stack, and wait until it is ready."""
    log = folder / f"{command[0]}.log"
    with open(log, "w") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,
            env=environment,
            preexec_fn=_end_with_parent,
        )
    running.callback(_end, process)
    deadline = time.monotonic() + SECONDS_TO_START
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{command[0]} does not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.1)


def _end_with_parent() -> None:
    """Linux ends this process with its parent, however that ends."""
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _end(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _answers(environment: dict[str, str], *command: str) -> bool:
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=10)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _cancel_all(environment: dict[str, str]) -> None:
    """End all jobs while there is still somebody to end them."""
    _answers(environment, "scancel", "--user", str(os.getuid()))
    deadline = time.monotonic() + SECONDS_TO_END
    while _jobs(environment) and time.monotonic() < deadline:
        time.sleep(0.2)


def _jobs(environment: dict[str, str]) -> str:
    """Jobs that have not ended."""
    return subprocess.run(
        ["squeue", "-h"], env=environment, capture_output=True, text=True, check=False
    ).stdout.strip()


def install() -> None:
    """Install what is missing, with Debian's package manager, or exit with a word on why that is impossible."""
    if missing_programs():
        if os.getuid() != 0 or shutil.which("apt-get") is None:
            sys.exit("Slurm is not installed and cannot be: that needs root and Debian.")
        with _services_stay_off():
            if _apt_get("install", "--no-install-recommends", *PACKAGES):
                _apt_get("update")
                _apt_get("install", "--no-install-recommends", *PACKAGES)
    if missing := missing_programs():
        sys.exit(f"Slurm could not be installed: no {', '.join(missing)}.")


def _apt_get(*arguments: str) -> int:
    """Exit code of the package manager, which neither asks nor waits for long."""
    options = ("DPkg::Lock::Timeout=120", "Acquire::Retries=1", "Acquire::http::Timeout=20")
    command = ["apt-get", "-q", "-y", *(word for option in options for word in ("-o", option))]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run([*command, *arguments], env=environment, check=False).returncode


@contextmanager
def _services_stay_off() -> Iterator[None]:
    """Debian starts the daemons of the packages that it installs, unless this script forbids it."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


if __name__ == "__main__":
    if sys.argv[1:] == ["--install"]:
        install()
    else:
        with local_slurm() as variables:
            sys.exit(subprocess.run(sys.argv[1:], env=variables, check=False).returncode)
