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

/**
 * Looks at frames between the ports of `bridges`, and where `mode` allows it makes way for those of `wanted`, which are
 * to be shown to IP's rules now. The others are looked at so that an operator knows before deciding.
 */
export async function passage(
  bridges: ReadonlySet<string>,
  wanted: ReadonlySet<string>,
  mode: BridgedFrames,
): Promise<Passage> {
  let found = obstacles(await foreignBases(), bridges);
  if (mode === 'accept') {
    // A bridge that stays blocked by one obstacle needs no rule in the way of another.
    const stuck = new Set(found.filter((o) => !isSolvable(o)).map((o) => o.bridge));
    const solvable = found.filter(({ bridge }) => wanted.has(bridge) && !stuck.has(bridge));
    for (const obstacle of solvable) await insert(obstacle);
    if (solvable.length > 0) found = obstacles(await foreignBases(), bridges);
    // What will be solved once it is wanted is nothing to tell of.
    found = found.filter(({ bridge }) => wanted.has(bridge) || stuck.has(bridge));
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
        ? `Choose: ./wocloud up --bridged-frames accept on this host (or bridged-frames: accept in its engine.yaml) puts a rule for ` +
          `frames within the bridge there while it is enforced; or put one there yourself, before the others: ` +
          `iifname "${bridge}" oifname "${bridge}" accept. Until then nothing changes.`
        : `Let packets that enter by ${bridge} pass in ${base.table} ${base.chain}. Until then nothing changes.`,
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
  expr: { match?: { left?: { meta?: { key?: string } }; right?: unknown } }[];
}

/** Takes the rules of ours out of other people's chains, but those for bridges in `keep`. Answers how many. */
export async function removePassages(keep: ReadonlySet<string> = new Set()): Promise<number> {
  const tables = new Set(
    (await foreignBases()).filter((b) => !b.legacy).map((b) => `${b.family} ${b.table}`),
  );
  const rules: RuleJson[] = [];
  for (const table of tables) {
    const { stdout } = await run('nft', ['-j', '-a', 'list', 'table', ...table.split(' ')], LIMITS);
    const items = (JSON.parse(stdout) as { nftables: { rule?: RuleJson }[] }).nftables;
    rules.push(...items.flatMap(({ rule }) => (rule?.comment === TAG ? [rule] : [])));
  }
  const stale = rules.filter((rule) => !keep.has(bridgeOf(rule)));
  for (const { family, table, chain, handle } of stale)
    await run('nft', [`delete rule ${family} ${table} ${chain} handle ${handle}`], LIMITS);
  return stale.length + (await removeLegacy('ip', keep)) + (await removeLegacy('ip6', keep));
}

const bridgeOf = ({ expr }: RuleJson): string =>
  String(expr.find(({ match }) => match?.left?.meta?.key === 'iifname')?.match?.right ?? '');

async function removeLegacy(family: ForeignBase['family'], keep: ReadonlySet<string>): Promise<number> {
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
    if (keep.has(bridge)) continue;
    await run(`${family}tables-legacy`, ['-w', '-t', table, '-D', chain, ...legacyRule(bridge)], LIMITS);
    removed++;
  }
  return removed;
}
