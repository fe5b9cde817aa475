// A host as one finds it: it runs VMs and other people's firewalls, and knows nothing of Wocloud. `./wocloud` is run
// on it as its operator would, inside its own namespaces.
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createClient, type Client } from '@wocloud/protocol/client.ts';
import { defaultCacheDir } from '../image/build.ts';
import { startLab, type Lab } from '../lab.ts';
import type { Ran } from './stack.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const PORT = 8080;

export interface FoundHost {
  lab: Lab;
  /** `./wocloud …` on the host. */
  wocloud(args: string[], input?: string): Promise<Ran>;
  /** As the first administrator; after `signIn`. */
  client: Client;
  signIn(): Promise<void>;
  /** The nft tables, bridges' switches and libvirt's definitions of others, without what counts or is ours. */
  ofOthers(): Promise<Record<string, string>>;
  stop(): Promise<void>;
}

/** Boots the scenario's host and VMs, and nothing of Wocloud. */
export async function findHost(scenario: string): Promise<FoundHost> {
  const home = mkdtempSync('/tmp/wo-');
  // The database's own account has to pass through.
  chmodSync(home, 0o711);
  const lab = await startLab({ scenario, dir: join(home, 'lab') });
  const { host } = lab;
  const env = {
    WOCLOUD_HOME: join(home, 'data'),
    WOCLOUD_CACHE: defaultCacheDir(),
    XDG_CONFIG_HOME: join(home, 'xdg'),
    NO_COLOR: '1',
  };
  const wocloud = (args: string[], input?: string): Promise<Ran> =>
    new Promise((resolve, reject) => {
      const { child } = host.spawn([join(ROOT, 'wocloud'), ...args], {
        env: { ...process.env, ...env },
        cwd: ROOT,
      });
      let [out, err] = ['', ''];
      child.stdout?.setEncoding('utf8').on('data', (text: string) => (out += text));
      child.stderr?.setEncoding('utf8').on('data', (text: string) => (err += text));
      child.once('error', reject);
      child.once('close', (code) => resolve({ code: code ?? -1, out, err }));
      child.stdin?.end(input ?? '');
    });
  const url = `http://127.0.0.1:${PORT}`;
  let token = '';
  return {
    lab,
    wocloud,
    get client() {
      return createClient({ baseUrl: url, token, fetch: fetchOn(lab) });
    },
    async signIn() {
      const file = join(env.WOCLOUD_HOME, 'admin-password');
      const login = await wocloud(['login', url, '-u', 'admin', '--password-file', file]);
      if (login.code !== 0) throw new Error(`login failed: ${login.err}`);
      const kept = readFileSync(join(env.XDG_CONFIG_HOME, 'wocloud/credentials.json'), 'utf8');
      ({ token } = JSON.parse(kept) as { token: string });
    },
    ofOthers: () => ofOthers(lab),
    async stop() {
      await lab.stop();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** The platform listens on the loopback of the host only. */
const fetchOn =
  ({ host }: Lab): typeof fetch =>
  async (url, init = {}) => {
    const headers = Object.entries((init.headers ?? {}) as Record<string, string>);
    const answer = await host.run(
      [
        'curl',
        '-sS',
        '-X',
        init.method ?? 'GET',
        ...headers.flatMap(([name, value]) => ['-H', `${name}: ${value}`]),
        ...(init.body ? ['--data-binary', '@-'] : []),
        '-w',
        '\n%{http_code}',
        String(url),
      ],
      (init.body as string | undefined) ?? '',
    );
    const end = answer.lastIndexOf('\n');
    const status = Number(answer.slice(end + 1));
    return new Response(status === 204 ? null : answer.slice(0, end), { status });
  };

async function ofOthers({ host }: Lab): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  // -s: without counters and dynamic elements.
  for (const line of (await host.run(['nft', 'list', 'tables'])).trim().split('\n')) {
    const table = line.replace(/^table /, '');
    if (!/ wocloud(_|$)/.test(table)) found[line] = await host.run(`nft -s list table ${table}`);
  }
  const virsh = (command: string) => host.run(`virsh -q ${command}`);
  for (const [list, dump] of [
    ['list --all --name', 'dumpxml --security-info'],
    ['net-list --all --name', 'net-dumpxml'],
  ] as const)
    for (const name of (await virsh(list))
      .split('\n')
      .map((n) => n.trim())
      .filter(Boolean))
      found[`${dump} ${name}`] = await virsh(`${dump} ${name}`);
  found['switches'] = await host.run(
    'cd /proc/sys/net; grep -H . bridge/* /sys/class/net/*/bridge/nf_call_* ' +
      'netfilter/nf_conntrack_acct netfilter/nf_conntrack_timestamp netfilter/nf_conntrack_events',
  );
  return found;
}
