// Traffic between two VMs, every packet of it counted: UDP, ICMP echo and long TCP connections from inside one guest.
import { Background } from './background.ts';
import type { Guest } from './probe.ts';

export interface Target {
  /** How the result calls it. */
  name: string;
  kind: 'udp' | 'icmp' | 'tcp';
  to: string;
}

/** What one target saw in one phase. */
export interface Counted {
  target: string;
  phase: string;
  sent: number;
  /** Seconds into the phase at which what never came back was sent. */
  lost: number[];
}

export interface Result {
  counted: Counted[];
  /** Of connections that broke. */
  errors: Record<string, string>;
  /** Longest silence of each TCP connection, in seconds: a lost segment shows as the wait for its repetition. */
  silence: Record<string, number>;
}

/** Sends one numbered message per target and interval, notes which come back; ends when told, after the last answers. */
const PROGRAM = `
import select, socket, struct, time
config = json.loads(sys.argv[1])
UDP, RAW, TCP, V4, V6 = socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_STREAM, socket.AF_INET, socket.AF_INET6
SIZE = 24

def checksum(data):
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff

class Stream:
    def __init__(self, number, name, kind, to):
        self.name, self.kind, self.to, self.error = name, kind, to, None
        self.sent, self.missing, self.rest = [], set(), b''
        self.heard, self.silence = None, 0
        self.family = V6 if ':' in to else V4
        self.id = (os.getpid() + number) & 0xffff
        if kind == 'icmp':
            self.socket = socket.socket(self.family, RAW, socket.IPPROTO_ICMPV6 if self.family == V6 else socket.IPPROTO_ICMP)
        else:
            self.socket = socket.socket(self.family, UDP if kind == 'udp' else TCP)
        self.socket.settimeout(10)
        self.socket.connect((to, 0 if kind == 'icmp' else 7))
        self.socket.setblocking(False)

    def send(self):
        if self.error: return
        number = len(self.sent)
        body = struct.pack('!I', number).ljust(SIZE, b'.')
        if self.kind == 'icmp':
            head = lambda c: struct.pack('!BBHHH', 128 if self.family == V6 else 8, 0, c, self.id, number & 0xffff)
            body = head(0 if self.family == V6 else checksum(head(0) + body)) + body
        self.sent.append(time.monotonic())
        self.missing.add(number)
        try: self.socket.send(body)
        except OSError as e:
            if self.kind == 'tcp' or not isinstance(e, (ConnectionRefusedError, PermissionError)): self.error = str(e)

    def receive(self):
        while True:
            try: data = self.socket.recv(65536)
            except BlockingIOError: return
            except OSError as e:
                if self.kind == 'tcp': self.error = str(e)
                return
            if self.kind == 'tcp':
                if not data:
                    self.error = self.error or 'closed by the peer'
                    return
                self.rest += data
                while len(self.rest) >= SIZE:
                    self.answered(self.rest[:SIZE]); self.rest = self.rest[SIZE:]
            elif self.kind == 'icmp':
                if self.family == V4: data = data[(data[0] & 15) * 4:]
                if data[0] == (129 if self.family == V6 else 0) and struct.unpack('!H', data[4:6])[0] == self.id:
                    self.answered(data[8:])
            else: self.answered(data)

    def answered(self, body):
        now = time.monotonic()
        if self.heard: self.silence = max(self.silence, now - self.heard)
        self.heard = now
        self.missing.discard(struct.unpack('!I', body[:4])[0])

streams = [Stream(n, t['name'], t['kind'], t['to']) for n, t in enumerate(config['targets'])]
sockets = {s.socket.fileno(): s for s in streams}
poll = select.poll()
for fd in sockets: poll.register(fd, select.POLLIN)
UP()
due, ends = time.monotonic(), None
while ends is None or (time.monotonic() < ends and any(s.missing for s in streams if not s.error)):
    now = time.monotonic()
    if ends is None and now >= due:
        for s in streams: s.send()
        due = max(due + config['every'], now)
        if STOPPED(): ends = now + 5
    for fd, _ in poll.poll(max(0, min(0.1, due - time.monotonic()) * 1000) if ends is None else 100):
        if fd in sockets: sockets[fd].receive()
        if sockets[fd].error: poll.unregister(fd)
TELL([{'name': s.name, 'sent': s.sent, 'lost': sorted(s.missing), 'error': s.error, 'silence': s.silence} for s in streams])
`;

interface Dump {
  name: string;
  sent: number[];
  lost: number[];
  error: string | null;
  silence: number;
}

export class Stream implements AsyncDisposable {
  readonly #vm: Guest;
  readonly #program: Background;
  readonly #phases: { name: string; at: number }[] = [];

  private constructor(vm: Guest, program: Background) {
    this.#vm = vm;
    this.#program = program;
  }

  /** Starts in the guest and returns once every connection stands. One at a time per guest. */
  static async start(vm: Guest, targets: readonly Target[], everyMs: number): Promise<Stream> {
    const config = JSON.stringify({ targets, every: everyMs / 1000 });
    return new Stream(vm, await Background.start(vm, 'stream', PROGRAM, [config]));
  }

  /** What is sent from now on belongs to this phase. */
  async phase(name: string): Promise<void> {
    const uptime = await this.#vm.output(['cat', '/proc/uptime']);
    this.#phases.push({ name, at: Number(uptime.split(' ')[0]) });
  }

  /** Ends it when the last answers are in. */
  async stop(): Promise<Result> {
    const dump = (await this.#program.stop()) as Dump[];
    const phaseOf = (at: number) => this.#phases.findLast((phase) => phase.at <= at) ?? this.#phases[0];
    const counted = dump.flatMap(({ name, sent, lost }) =>
      this.#phases.map((phase) => ({
        target: name,
        phase: phase.name,
        sent: sent.filter((at) => phaseOf(at) === phase).length,
        lost: lost
          .map((number) => sent[number] ?? 0)
          .filter((at) => phaseOf(at) === phase)
          .map((at) => Math.round((at - phase.at) * 100) / 100),
      })),
    );
    return {
      counted,
      errors: Object.fromEntries(dump.flatMap((d) => (d.error === null ? [] : [[d.name, d.error]]))),
      silence: Object.fromEntries(
        dump.flatMap((d) => (d.name.startsWith('tcp') ? [[d.name, d.silence]] : [])),
      ),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program.stop();
  }
}
