"""The configuration files of a SLURM for tests."""

import os
import socket
from pathlib import Path

FOLDER = Path("/etc/slurm")
MARK = "# Made by tests/cluster; gone when they end.\n"
GPUS = 2
SLURMD_PORT = 6820  # of the first node; 6817 and 6819 are those of slurmctld and slurmdbd


def configuration(folder: Path, nodes: list[str], *, accounting: bool) -> dict[Path, str]:
    """Return the files of a cluster that keeps its state in a folder: their texts, by path."""
    texts = {
        "slurm.conf": _slurm_conf(folder, nodes, accounting=accounting),
        "gres.conf": _gres_conf(folder, nodes),
        "cgroup.conf": "",
    }
    if accounting:
        texts["slurmdbd.conf"] = _slurmdbd_conf(folder)
    return {FOLDER / name: MARK + text for name, text in texts.items()}


def host() -> str:
    """Return the short name of this machine."""
    return socket.gethostname().split(".")[0]


def _gres_conf(folder: Path, nodes: list[str]) -> str:
    return "".join(
        f"NodeName={nodes[number * len(nodes) // GPUS]} Name=gpu File={folder}/gpu{number}\n"
        for number in range(GPUS)
    )


def _slurmdbd_conf(folder: Path) -> str:
    return f"""\
AuthType=auth/munge
DbdHost=localhost
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
"""


def _slurm_conf(folder: Path, nodes: list[str], *, accounting: bool) -> str:
    megabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 * 9 // 10
    keeps_accounts = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStorageEnforce=associations
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment
"""
    accounts = keeps_accounts if accounting else "AccountingStorageType=accounting_storage/none\n"
    # Memory is not divided among the nodes of this machine: no test uses what it asks for.
    machines = "".join(
        f"NodeName={node} NodeAddr=127.0.0.1 Port={SLURMD_PORT + number} CPUs=16"
        f" RealMemory={megabytes} Gres=gpu:{GPUS // len(nodes)}\n"
        for number, node in enumerate(nodes)
    )
    # A node that does not answer for so many seconds is down: 300 by default.
    patience = "SlurmdTimeout=15\n" if len(nodes) > 1 else ""
    return f"""\
ClusterName=tests
SlurmctldHost={host()}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# A requeued job waits until its credential expires: after 120 seconds by default.
AuthInfo=cred_expire=10
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
{patience}Prolog={folder}/start
PrologFlags=Alloc
Epilog={folder}/end
ProctrackType=proctrack/pgid
TaskPlugin=task/none
MpiDefault=none
MailProg=/bin/true
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=bf_interval=2,sched_interval=2
{accounts}JobAcctGatherType=jobacct_gather/none
# squeue tells of a finished job for so many seconds.
MinJobAge=3600
KillWait=5
UnkillableStepTimeout=30
ReturnToService=2
SlurmdParameters=config_overrides
GresTypes=gpu
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
{machines}PartitionName=DEFAULT Nodes=ALL MaxTime=01:00:00 DefMemPerCPU=500 GraceTime=0
PartitionName=main Default=YES
PartitionName=cpu
PartitionName=gpu
PartitionName=urgent PriorityTier=10 PreemptMode=OFF
"""
