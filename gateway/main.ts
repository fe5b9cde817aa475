// The daemon of a security gateway, wired: Suricata on the wire, its log and its rules on one side, the engine on the
// other. It may be killed at any time: Suricata goes on without it, and the next daemon takes it over.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Conversation } from './conversation.ts';
import { EveIntake } from './eve-intake.ts';
import { EveQueue } from './eve-queue.ts';
import { log } from './log.ts';
import { readOptions } from './options.ts';
import { freeKiB } from './process-table.ts';
import { Rules } from './rules.ts';
import { EVE_SOCKET } from './suricata-config.ts';
import { Suricata } from './suricata.ts';

const MIB = 1024 * 1024;
/** Rules with which Suricata did not come up this many times are given up. */
const TRIES = 3;

// A thread that waits in a read or write of the channel would keep the process from ending, half dead.
process.on('uncaughtException', (error) => {
  log(`fatal: ${error.stack ?? error.message}`);
  process.kill(process.pid, 'SIGKILL');
});

const options = readOptions(process.env);
mkdirSync(options.run, { recursive: true, mode: 0o700 });

const queue = new EveQueue(Math.min(32, Math.max(4, Math.floor(options.memoryMiB / 24))) * MIB);
const intake = new EveIntake(join(options.run, EVE_SOCKET), queue, (error) => {
  throw error;
});
let signatures = { loaded: 0, refused: 0 };

const suricata: Suricata = new Suricata(options, {
  changed: () => conversation.tellHealth(),
  up: () => void count(),
  failing(times) {
    const { digest } = rules;
    if (times < TRIES || !rules.retreat()) return;
    conversation.tellRules(digest, 'Suricata does not come up with them; the ones before are in force');
  },
});
const rules = new Rules(options, () => suricata.load());

async function count(): Promise<void> {
  signatures = await suricata.signatures().catch(() => ({ loaded: 0, refused: 0 }));
}

const conversation = new Conversation(options.channel, queue, Math.floor((options.memoryMiB * MIB) / 16), {
  hello: () => ({ image: options.image, suricata: suricata.version, rules: rules.digest }),
  health: () => ({
    time: Date.now() * 1_000,
    suricata: suricata.state,
    rules: rules.digest,
    ...signatures,
    residentKiB: suricata.residentKiB,
    freeKiB: freeKiB(),
    packets: intake.stats?.packets ?? 0,
    dropped: intake.stats?.dropped ?? 0,
    restarts: suricata.restarts,
    lost: queue.lost,
    cut: queue.cut,
  }),
  async rules(digest, text) {
    const error = await rules.take(digest, text);
    await count();
    return error;
  },
});

void rules.resume();
await suricata.run();
