"""The quickstart where the machine is unkind: io_uring refused, little memlock, one CPU, a CPU quota, 2 GiB of memory.

Gamay must answer all the same and say in one line what each limit costs (E-14).
"""
import contextlib
import ctypes
import os
import resource
import struct
import uuid

from node import Node

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
EPERM, ALLOW, ERRNO = 1, 0x7FFF0000, 0x00050000
IO_URING = (425, 426, 427)                                       # setup, enter, register on every 64-bit Linux


class Filter(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("code", ctypes.c_void_p)]


def refuse_io_uring():
    """A seccomp filter that answers EPERM to io_uring, as Docker's default profile does. Runs in the child before exec."""
    code = struct.pack("HBBI", 0x20, 0, 0, 0)                    # load the system call's number
    for number in IO_URING:
        code += struct.pack("HBBI", 0x15, 0, 1, number)          # equal: the next line, else skip it
        code += struct.pack("HBBI", 0x06, 0, 0, ERRNO | EPERM)
    code += struct.pack("HBBI", 0x06, 0, 0, ALLOW)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = Filter(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    libc = ctypes.CDLL(None, use_errno=True)
    for call in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)):
        if libc.prctl(*call) != 0:
            os._exit(99)


def answers(node):
    node.wait_for_output(r"(?s)(SELECT.*){3}")
    (row,) = node.rows("SELECT AVG(arr_delay), COUNT(*) FROM flights WHERE carrier = 'UA'")
    assert abs(row[0] - 3.5580111453393792) < 1e-9 and row[1] == 58665, row
    rows = node.rows("SELECT origin, COUNT(*) FROM flights GROUP BY origin ORDER BY origin")
    assert rows == [["EWR", 120835], ["JFK", 111279], ["LGA", 104662]], rows


def says(node, *words):
    lines = [line for line in node.output().splitlines() if all(w.lower() in line.lower() for w in words)]
    assert lines, f"no line says {words}:\n{node.output()}"


def quickstart(args, **more):
    return Node(args.gamay, "quickstart", ["--sample-data", args.sample_data], **more)


def test_io_uring_refused(args):
    with quickstart(args, preexec=refuse_io_uring) as node:
        answers(node)
        says(node, "executor", "threads", "io_uring")


def test_small_memlock(args):
    limit = 64 * 1024
    with quickstart(args, preexec=lambda: resource.setrlimit(resource.RLIMIT_MEMLOCK, (limit, limit))) as node:
        answers(node)
        if os.geteuid() != 0:                                    # root's CAP_IPC_LOCK lifts the limit
            says(node, "memlock")


def test_small_memlock_without_the_capability(args):
    if os.geteuid() != 0:
        return "needs root to start as another user"
    limit = 64 * 1024

    def drop():
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (limit, limit))
        os.setgid(65534)
        os.setuid(65534)

    folder = f"/tmp/gamay-nobody-{uuid.uuid4().hex}"
    os.mkdir(folder)
    os.chmod(folder, 0o777)
    if not all(os.stat(p).st_mode & 0o001 for p in parents(args.gamay)) or not all(
            os.stat(p).st_mode & 0o001 for p in parents(args.sample_data + "/x")):
        return "the binary stands where another user cannot reach it"
    with quickstart(args, data_dir=folder + "/data", preexec=drop) as node:
        answers(node)
        says(node, "memlock")


def parents(path):
    while path != "/":
        path = os.path.dirname(path)
        yield path


def test_one_cpu(args):
    cpu = min(os.sched_getaffinity(0))
    with quickstart(args, preexec=lambda: os.sched_setaffinity(0, {cpu})) as node:
        answers(node)
        says(node, "1 shard")


def test_portable_kernels(args):
    with quickstart(args, env={"GAMAY_SIMD": "portable"}) as node:
        answers(node)


def test_threads_executor(args):
    with quickstart(args, env={"GAMAY_EXECUTOR": "threads"}) as node:
        answers(node)


@contextlib.contextmanager
def control_group(controller, settings_v1, settings_v2):
    """A fresh cgroup (v2 or v1) with the settings, or None where this user may make none. Yields its cgroup.procs."""
    if os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
        folder, settings = f"/sys/fs/cgroup/gamay-test-{uuid.uuid4().hex[:8]}", settings_v2
    else:
        folder, settings = f"/sys/fs/cgroup/{controller}/gamay-test-{uuid.uuid4().hex[:8]}", settings_v1
    try:
        os.mkdir(folder)
        for name, value in settings.items():
            with open(f"{folder}/{name}", "w") as f:
                f.write(str(value))
    except OSError:
        with contextlib.suppress(OSError):
            os.rmdir(folder)
        yield None
        return
    try:
        yield f"{folder}/cgroup.procs"
    finally:
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def join(procs):
    def enter():
        with open(procs, "w") as f:
            f.write(str(os.getpid()))
    return enter


def test_cpu_quota(args):
    with control_group("cpu", {"cpu.cfs_period_us": 100000, "cpu.cfs_quota_us": 100000}, {"cpu.max": "100000 100000"}) as procs:
        if procs is None:
            return "this user may not make a cpu cgroup"
        with quickstart(args, preexec=join(procs)) as node:
            answers(node)
            says(node, "quota")


def test_memory_limit(args):
    with control_group("memory", {"memory.limit_in_bytes": 2 << 30}, {"memory.max": 2 << 30}) as procs:
        if procs is None:
            return "this user may not make a memory cgroup"
        with quickstart(args, preexec=join(procs)) as node:
            answers(node)
            says(node, "memory", "control group")


