// iperf3 in a guest for as long as a test wants it, at a rate that leaves an emulated guest time to do anything else.
import { Background } from './background.ts';
import type { Guest } from './probe.ts';

const PROGRAM = `
import signal, subprocess, time
child = subprocess.Popen(['iperf3', '-J', '-c', sys.argv[1], '-t', '900', '-b', sys.argv[2]], stdout=subprocess.PIPE)
UP()
while not STOPPED() and child.poll() is None: time.sleep(0.1)
child.send_signal(signal.SIGINT)
TELL(json.loads(child.communicate()[0]))
`;

/** What iperf3 says of an end that it was told to make. */
export const TOLD_TO_END = 'interrupt - the client has terminated';

export interface IperfReport {
  error?: string;
  intervals: { sum: { bytes: number } }[];
}

/** Towards iperf3's own port of `to`; `rate` as in `20M` (bit/s). Its `stop` answers with an IperfReport. */
export const startIperf = (vm: Guest, to: string, rate: string): Promise<Background> =>
  Background.start(vm, 'iperf', PROGRAM, [to, rate]);
