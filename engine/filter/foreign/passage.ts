// Whether a bridge's frames may be shown to IP's rules without being lost in the rules of others; and, where the
// operator has said so, rules of ours in front of theirs that let such frames pass. Each is tagged and can be removed.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Notice } from '../../health/facts.ts';
import type { BridgedFrames } from '../../options.ts';
import type { ForeignBase } from './model.ts';
import { foreignBases, obstacles, obstacleText, type Obstacle } from './scan.ts';

const run = promisify(execFile);
const LIMITS = { timeout: 10_000, maxBuffer: 256 * 1024 * 1024 };
export const TAG = 'wocloud bridged';

export interface Passage {
  /** Why not, by bridge; a bridge that is not in it is free. */
  blocked: ReadonlyMap<string, string>;
  notices: Notice[];
}

/** Looks, and where `mode` allows it makes way, for frames between the ports of these bridges. */
export async function passage(bridges: ReadonlySet<string>, mode: BridgedFrames): Promise<Passage> {
  let found = obstacles(await foreignBases(), bridges);
  if (mode === 'accept' && found.some(isSolvable)) {
    for (const obstacle of found.filter(isSolvable)) await insert(obstacle);
    found = obstacles(await foreignBases(), bridges);
  }
  const blocked = new Map<string, string>();
  const notices: Notice[] = [];
  for (const obstacle of found) {
    const { bridge, base } = obstacle;
    blocked.set(bridge, `not enforced yet: ${obstacleText(obstacle)}`);
    notices.push({
      code: 'bridge.foreign-firewall',
      message: `${obstacleText(obstacle)} when they are shown to it, as enforcing does. VMs on ${bridge} that are not enforced yet stay observed.`,
      action: isSolvable(obstacle)
        ? `Let frames within ${bridge} pass there (an accept rule for iifname "${bridge}" oifname "${bridge}" before the others), ` +
          'or start the engine with --bridged-frames accept, which does that and takes it back on --remove.'
        : `Let packets that enter by ${bridge} pass in ${base.table} ${base.chain}.`,
    });
  }
  return { blocked, notices };
}

/** Only where both the way in and the way out are known can a rule be made for bridged frames alone. */
const isSolvable = ({ base }: Obstacle): boolean => base.hook === 'forward';

async function insert({ base, bridge }: Obstacle): Promise<void> {
  if (base.legacy) {
    await run(
      `${base.family}tables-legacy`,
      ['-w', '-t', base.table, '-I', base.chain, ...legacyRule(bridge)],
      LIMITS,
    );
    return;
  }
  const { family, table, chain } = base;
  await run(
    'nft',
    [
      `insert rule ${family} ${table} ${chain} iifname "${bridge}" oifname "${bridge}" counter accept comment "${TAG}"`,
    ],
    LIMITS,
  );
}

const legacyRule = (bridge: string): string[] => [
  '-i',
  bridge,
  '-o',
  bridge,
  '-m',
  'comment',
  '--comment',
  TAG,
  '-j',
  'ACCEPT',
];

interface RuleJson {
  family: string;
  table: string;
  chain: string;
  handle: number;
  comment?: string;
}

/** Takes all rules of ours out of other people's chains. */
export async function removePassages(): Promise<number> {
  const tables = new Set(
    (await foreignBases()).filter((b) => !b.legacy).map((b) => `${b.family} ${b.table}`),
  );
  const rules: RuleJson[] = [];
  for (const table of tables) {
    const { stdout } = await run('nft', ['-j', '-a', 'list', 'table', ...table.split(' ')], LIMITS);
    const items = (JSON.parse(stdout) as { nftables: { rule?: RuleJson }[] }).nftables;
    rules.push(...items.flatMap(({ rule }) => (rule?.comment === TAG ? [rule] : [])));
  }
  for (const { family, table, chain, handle } of rules)
    await run('nft', [`delete rule ${family} ${table} ${chain} handle ${handle}`], LIMITS);
  return rules.length + (await removeLegacy('ip')) + (await removeLegacy('ip6'));
}

async function removeLegacy(family: ForeignBase['family']): Promise<number> {
  const save = await run(`${family}tables-legacy-save`, [], LIMITS).then(
    (r) => r.stdout,
    () => '',
  );
  let removed = 0;
  let table = '';
  for (const line of save.split('\n')) {
    if (line.startsWith('*')) table = line.slice(1).trim();
    const rule = /^-A (\S+) -i (\S+) -o \S+ -m comment --comment "wocloud bridged" -j ACCEPT$/.exec(line);
    if (!rule) continue;
    const [, chain = '', bridge = ''] = rule;
    await run(`${family}tables-legacy`, ['-w', '-t', table, '-D', chain, ...legacyRule(bridge)], LIMITS);
    removed++;
  }
  return removed;
}
