#!/usr/bin/env bash
# A Slurm of two nodes, n1 and n2, on this machine, without systemd, in one folder:
#   slurm.sh check              ends with 0 where it can run here, else says why not
#   slurm.sh start FOLDER       starts it; Slurm's programs find it by SLURM_CONF=FOLDER/slurm.conf
#   slurm.sh lose FOLDER NODE   loses a node: its slurmd and everything that its steps had started are killed
#   slurm.sh return FOLDER NODE it is back
#   slurm.sh stop FOLDER        ends all of it; so does the end of the process that started it, and FOLDER's removal
# CPUS=n: of each node (standard: 2).
set -euo pipefail
export PATH=$PATH:/usr/sbin

fail() { printf 'error: %s\n  why: %s\n  fix: %s\n' "$1" "$2" "$3" >&2; exit 1; }

check() {
    local tool
    for tool in munged slurmctld slurmd srun; do
        command -v "$tool" >/dev/null ||
            fail "$tool was not found" "these tests start a Slurm of their own" "apt-get install slurmctld slurmd slurm-client munge"
    done
    [ "$(id -u)" = 0 ] || fail "Slurm's node daemon needs root" "it starts processes as other users" "run these tests as root"
}

free_ports() {
    python3 -c 'import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
print(*[s.getsockname()[1] for s in sockets])'
}

# What a node's slurmd and its steps (or the controller, as node "control") carry in their environment, and no other process.
mark() { echo "CLAW_SLURM_NODE=$1/$2"; }
start_node() { env "$(mark "$1" "$2")" slurmd -N "$2" 2>>"$1/log/start"; }

# Processes marked so, and all that stand below them.
family() {
    local found parents
    found=$(grep -lzsx "$1" /proc/[0-9]*/environ 2>/dev/null | tr -dc '0-9\n' || true)
    # Some end while they are read.
    parents=$(cat /proc/[0-9]*/status 2>/dev/null | awk '/^Pid:/ { process = $2 } /^PPid:/ { print process, $2 }' || true)
    awk -v roots="$found" '
        BEGIN { count = split(roots, list, "\n"); for (i = 1; i <= count; i++) if (list[i] != "") family[list[i]] = 1 }
        { parent[$1] = $2 }
        END {
            do { grown = 0; for (p in parent) if (!(p in family) && (parent[p] in family)) { family[p] = 1; grown = 1 } } while (grown)
            for (p in family) print p
        }' <<<"$parents"
}

lose() {
    local processes
    processes=$(family "$(mark "$1" "$2")")
    [ -z "$processes" ] || kill -KILL $processes 2>/dev/null || true
}

stop() {
    local node
    for node in n1 n2 control; do lose "$1" "$node"; done
}

# A test that fails does not come to its `stop`.
watch() {
    while [ -d "$1" ] && kill -0 "$2" 2>/dev/null; do sleep 1; done
    stop "$1"
}

configure() {
    local folder=$1 host memory controller first second
    host=$(uname -n)
    host=${host%%.*}
    memory=$(awk '/MemTotal/ { print int($2 / 1024 / 3) }' /proc/meminfo)
    read -r controller first second <<<"$(free_ports)"
    mkdir -p "$folder"/{state,spool-n1,spool-n2,munge,log}
    chmod 700 "$folder/munge"
    dd if=/dev/urandom of="$folder/munge/key" bs=1024 count=1 status=none
    chmod 400 "$folder/munge/key"
    # Both nodes say that they have as many CPUs as the test wants, whatever this machine has.
    cat >"$folder/slurm.conf" <<CONF
ClusterName=openclaw
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$controller
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool-%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd-%n.pid
SlurmctldLogFile=$folder/log/slurmctld
SlurmdLogFile=$folder/log/slurmd-%n
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
MpiDefault=none
ReturnToService=2
SlurmdTimeout=8
SlurmctldTimeout=8
KillWait=2
MinJobAge=300
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$first CPUs=${CPUS:-2} RealMemory=$memory Feature=old State=UNKNOWN
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=$second CPUs=${CPUS:-2} RealMemory=$memory Feature=new State=UNKNOWN
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
CONF
}

start() {
    local folder=$1
    configure "$folder"
    export SLURM_CONF=$folder/slurm.conf
    trap 'stop "$folder"' ERR
    setsid bash "$0" watch "$folder" "$PPID" </dev/null >/dev/null 2>&1 &
    env "$(mark "$folder" control)" munged --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" --pid-file="$folder/munged.pid" \
        --log-file="$folder/log/munged" --seed-file="$folder/munge/seed" 2>>"$folder/log/start"
    env "$(mark "$folder" control)" slurmctld -c 2>>"$folder/log/start"
    start_node "$folder" n1
    start_node "$folder" n2
    for _ in $(seq 600); do
        if [ "$(sinfo -h -N -o '%N %t' 2>/dev/null | grep -c ' idle$')" = 2 ]; then return; fi
        sleep 0.1
    done
    stop "$folder"
    fail "Slurm did not come up within 60 s" "$(tail -qn 5 "$folder"/log/* 2>/dev/null)" "read the logs in $folder/log"
}

case "${1:-}" in
check) check ;;
watch) watch "$2" "$3" ;;
start | stop | lose | return)
    folder=$2
    [ "$1" = stop ] || folder=$(mkdir -p "$2" && cd "$2" && pwd)
    export SLURM_CONF=$folder/slurm.conf
    case "$1" in
    start) check && start "$folder" ;;
    stop) stop "$folder" ;;
    lose) lose "$folder" "$3" ;;
    return) start_node "$folder" "$3" ;;
    esac
    ;;
*) fail "'${1:-}' is nothing this does" "it knows check, start, lose, return, stop" "see the top of this file" ;;
esac
