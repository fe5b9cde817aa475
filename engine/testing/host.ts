// A KVM host for tests: a private libvirtd in namespaces, an engine beside it as the program it is, and the platform's
// end of its link.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPrivateLibvirtd, type PrivateLibvirtd } from '@wocloud/libvirt/testing/libvirtd.ts';
import { startFakePlatform, type FakePlatform } from './platform.ts';

const MAIN = new URL('../main.ts', import.meta.url).pathname;
// QEMU is probed once for all tests.
const CACHE = join(tmpdir(), 'wocloud-test-qemu-cache');

export interface TestHost {
  readonly libvirtd: PrivateLibvirtd;
  readonly platform: FakePlatform;
  readonly state: string;
  /** What the engine has written so far. */
  log(): string;
  /** Runs a shell script in the host's namespaces; its output. */
  sh(script: string, input?: string): Promise<string>;
  virsh(...args: string[]): Promise<string>;
  /** Defines a domain from XML. */
  define(xml: string): Promise<void>;
  startEngine(...flags: string[]): Promise<void>;
  killEngine(signal: NodeJS.Signals): Promise<void>;
  /** The engine's exit code, once it has ended. */
  ended(): Promise<number | null>;
  stop(): Promise<void>;
}

export async function startTestHost(): Promise<TestHost> {
  const dir = mkdtempSync(join(tmpdir(), 'woe-'));
  const platform = await startFakePlatform(join(dir, 'l.sock'));
  const libvirtd = await startPrivateLibvirtd({ dir: join(dir, 'h'), hostname: 'testhost', cacheDir: CACHE });
  const state = join(dir, 'state');
  let engine: ChildProcess | undefined;
  /** The one that was told to end. */
  let killed: ChildProcess | undefined;
  let written = '';

  const host: TestHost = {
    libvirtd,
    platform,
    state,
    log: () => written,
    sh: (script, input) => libvirtd.run(['sh', '-ec', script], input),
    virsh: (...args) => libvirtd.run(['virsh', '-c', 'qemu:///system', ...args]),
    async define(xml) {
      const file = join(dir, 'domain.xml');
      writeFileSync(file, xml);
      await host.virsh('define', file);
    },
    async startEngine(...flags) {
      const token = join(dir, 'token');
      writeFileSync(token, platform.token());
      const [command = '', ...args] = libvirtd.enter([
        process.execPath,
        MAIN,
        '--platform',
        platform.address,
        '--join-token-file',
        token,
        '--state',
        state,
        '--log-level',
        'debug',
        ...flags,
      ]);
      engine = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
      engine.stderr?.on('data', (part: Buffer) => (written += part.toString()));
      engine.stdout?.on('data', (part: Buffer) => (written += part.toString()));
      const began = engine;
      began.on('close', (code, signal) => {
        if (killed === began) return;
        platform.giveUp(
          new Error(
            `the engine ended by itself (${signal ?? code}); its last words:\n${written.slice(-4000)}`,
          ),
        );
      });
    },
    async killEngine(signal) {
      if (!engine || engine.exitCode !== null || engine.signalCode !== null) return;
      // nsenter forks into the PID namespace: the engine itself is its child.
      const inner = (await libvirtd.run(['pgrep', '-f', `main.ts --platform ${platform.address}`]))
        .trim()
        .split('\n');
      killed = engine;
      const closed = once(engine, 'close');
      await libvirtd.run(['kill', `-${signal.replace('SIG', '')}`, ...inner]);
      await closed;
    },
    async ended() {
      if (engine && engine.exitCode === null && engine.signalCode === null) await once(engine, 'close');
      return engine?.exitCode ?? null;
    },
    async stop() {
      await host.killEngine('SIGKILL').catch(() => {});
      await libvirtd.stop({ purge: true });
      await platform.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  return host;
}
