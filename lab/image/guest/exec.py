"""Lab-only exec channel: runs commands for the lab over virtio-serial, with no network.

A request is a line "ID OP ARGUMENT...", its answer a line "ID KEY=VALUE...", texts in base64: the id tells
an answer to somebody who left from one's own. Jobs outlive the connection that started them.
Only modules written in C are imported: in an emulated guest every other one costs a noticeable wait.
"""
import _signal as signal
import binascii
import errno
import fcntl
import posix
import select
import time

PORT = "/dev/virtio-ports/org.wocloud.lab.0"
JOBS = "/run/lab/jobs"
LIMIT = 2 << 20  # bytes of each output stream; what is beyond is cut and said so (guests are small)
WAKE = {signal.SIGCHLD, 29}  # 29: SIGIO

jobs = {}  # number -> [pid, exit code or None, kill deadline or None, timed out]
counter = 0


def decode(text):
    return binascii.a2b_base64(text) if text != "-" else b""


def encode(data):
    return binascii.b2a_base64(data, newline=False).decode() or "-"


def start(timeout, argv, environment, stdin):
    """Starts a job: seconds, NUL-separated argv and NAME=VALUE settings, standard input."""
    global counter
    counter += 1
    base = f"{JOBS}/{counter}"
    with open(base + ".in", "wb") as file:
        file.write(stdin)
    words = argv.split(b"\0")
    settings = dict(posix.environ)
    settings.update(pair.split(b"=", 1) for pair in environment.split(b"\0") if pair)
    pid = posix.fork()
    if pid == 0:
        try:
            posix.setsid()
            signal.pthread_sigmask(signal.SIG_SETMASK, set())
            flags = posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC
            posix.dup2(posix.open(base + ".in", posix.O_RDONLY), 0)
            posix.dup2(posix.open(base + ".out", flags, 0o600), 1)
            posix.dup2(posix.open(base + ".err", flags, 0o600), 2)
            posix.chdir("/root")
            execute(words, settings)
        except OSError as error:
            posix.write(2, words[0] + f": {error.strerror}\n".encode())
        finally:
            posix._exit(127)
    jobs[counter] = [pid, None, time.monotonic() + timeout if timeout else None, False]
    return counter


def execute(words, settings):
    if b"/" in words[0]:
        posix.execve(words[0], words, settings)
    for folder in settings[b"PATH"].split(b":"):
        try:
            posix.execve(folder + b"/" + words[0], words, settings)
        except FileNotFoundError:
            continue
    raise FileNotFoundError(errno.ENOENT, "not found")


def reap():
    """Notes ended jobs and kills those past their deadline."""
    for job in jobs.values():
        pid, code, deadline, _ = job
        if code is not None:
            continue
        done, status = posix.waitpid(pid, posix.WNOHANG)
        if done:
            job[1] = posix.waitstatus_to_exitcode(status)
        elif deadline and time.monotonic() > deadline:
            job[2], job[3] = None, True
            try:
                posix.killpg(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def output(path):
    try:
        with open(path, "rb") as stream:
            return stream.read(LIMIT + 1)
    except FileNotFoundError:
        return b""  # the job failed before it made its files


def wait(number, seconds):
    """Waits at most so long for a job; answers with its result, or that it still runs."""
    if number not in jobs:
        return f"error={encode(f'no job {number}'.encode())}"
    end = time.monotonic() + seconds
    while True:
        reap()
        _, code, deadline, timed_out = jobs[number]
        if code is not None:
            break
        left = end - time.monotonic()
        if left <= 0:
            return f"job={number} running=1"
        if deadline:
            left = min(left, max(0.01, deadline - time.monotonic()))
        signal.sigtimedwait({signal.SIGCHLD}, left)
    del jobs[number]
    out, err = output(f"{JOBS}/{number}.out"), output(f"{JOBS}/{number}.err")
    for suffix in (".in", ".out", ".err"):
        try:
            posix.unlink(f"{JOBS}/{number}{suffix}")
        except FileNotFoundError:
            pass
    cut = len(out) > LIMIT or len(err) > LIMIT
    return (
        f"job={number} running=0 code={code} timedOut={int(timed_out)} truncated={int(cut)}"
        f" stdout={encode(out[:LIMIT])} stderr={encode(err[:LIMIT])}"
    )


def hello():
    with open("/proc/sys/kernel/random/boot_id") as boot:
        boot_id = boot.read().strip()
    try:
        posix.stat("/run/lab/services.up")
        up = 1
    except FileNotFoundError:
        up = 0
    return f"boot={boot_id} services={up}"


def answer(line):
    words = line.decode("latin-1").split()
    try:
        match words[1:]:
            case ["hello"]:
                result = hello()
            case ["start", timeout, hold, argv, environment, stdin]:
                job = start(float(timeout), decode(argv), decode(environment), decode(stdin))
                result = wait(job, float(hold))
            case ["wait", job, hold]:
                result = wait(int(job), float(hold))
            case _:
                raise ValueError("no such request")
    except (ValueError, OSError) as error:
        result = f"error={encode(str(error).encode())}"
    return f"\n{words[0]} {result}\n".encode()


def send(port, data):
    """Writes an answer; gives up when the other side has left."""
    view = memoryview(data)
    poll = select.poll()
    poll.register(port, select.POLLOUT)
    end = time.monotonic() + 2
    while view:
        events = poll.poll(5000)
        if not events:
            return
        if events[0][1] & select.POLLHUP:
            # It may be the one before who has left: that is told apart from, and later than, the next one's request.
            if time.monotonic() > end:
                return
            signal.sigtimedwait(WAKE, 0.05)
            continue
        try:
            view = view[posix.write(port, view[:32768]):]
        except BlockingIOError:
            continue


def open_port():
    while True:
        try:
            return posix.open(PORT, posix.O_RDWR | posix.O_NONBLOCK | posix.O_CLOEXEC)
        except FileNotFoundError:
            time.sleep(0.05)


def main():
    posix.environ.setdefault(b"PATH", b"/usr/sbin:/usr/bin:/sbin:/bin")
    posix.environ[b"HOME"] = b"/root"
    try:
        posix.mkdir(JOBS)
    except FileExistsError:
        pass
    signal.pthread_sigmask(signal.SIG_BLOCK, WAKE)
    port = open_port()
    fcntl.fcntl(port, fcntl.F_SETOWN, posix.getpid())
    fcntl.fcntl(port, fcntl.F_SETFL, fcntl.fcntl(port, fcntl.F_GETFL) | fcntl.FASYNC)
    poll = select.poll()
    poll.register(port, select.POLLIN)
    with open("/dev/kmsg", "w") as log:
        log.write("lab: exec channel open\n")
    pending = b""
    while True:
        reap()
        try:
            data = posix.read(port, 65536)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EPIPE):
                raise
            data = b""
        if data:
            pending += data
            *lines, pending = pending.split(b"\n")
            for line in lines:
                if line.strip():
                    send(port, answer(line))
            if len(pending) > 4 * LIMIT:
                pending = b""
            continue
        events = poll.poll(0)
        if events and events[0][1] & select.POLLHUP:
            pending = b""  # nobody is attached; the kernel sends SIGIO when somebody is
            signal.sigtimedwait(WAKE, 1)
        else:
            poll.poll(1000)


main()
