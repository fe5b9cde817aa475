// Looks at the firewall rules of others on this host: which could drop frames once a bridge shows them to IP's rules.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { readLegacySave } from './legacy.ts';
import { couldDrop, type ForeignBase } from './model.ts';
import { OWN_TABLE, readListing } from './nft-json.ts';

const run = promisify(execFile);
const LIMITS = { timeout: 10_000, maxBuffer: 256 * 1024 * 1024 };

/** One chain of others that stands in the way on one bridge. */
export interface Obstacle {
  base: ForeignBase;
  bridge: string;
  why: string[];
}

/**
 * All base chains of others that bridged frames would pass. Runs `nft` as a program: what others have in their
 * tables must not be able to disturb this process.
 */
export async function foreignBases(): Promise<ForeignBase[]> {
  const { stdout } = await run('nft', ['-j', 'list', 'chains'], LIMITS);
  const tables = new Set(readListing(JSON.parse(stdout)).map((b) => `${b.family} ${b.table}`));
  const bases: ForeignBase[] = [];
  for (const key of tables) {
    const [family = '', table = ''] = key.split(' ');
    if (table === OWN_TABLE) continue;
    try {
      const listing = await run('nft', ['-j', 'list', 'table', family, table], LIMITS);
      bases.push(...readListing(JSON.parse(listing.stdout)));
    } catch (error) {
      // Gone since the first listing: nothing stands in the way there.
      if (!String((error as { stderr?: string }).stderr).includes('No such file')) throw error;
    }
  }
  return [...bases, ...(await legacyBases('ip')), ...(await legacyBases('ip6'))];
}

async function legacyBases(family: 'ip' | 'ip6'): Promise<ForeignBase[]> {
  const names = await readFile(`/proc/net/${family}_tables_names`, 'utf8').catch(() => '');
  if (names.trim() === '') return [];
  try {
    const { stdout } = await run(`${family}tables-legacy-save`, [], LIMITS);
    return readLegacySave(stdout, family);
  } catch {
    // There are tables that cannot be read: they may hold anything.
    const chains = new Map([['FORWARD', { name: 'FORWARD', rules: [] }]]);
    return [
      { family, table: 'filter', chain: 'FORWARD', hook: 'forward', policy: 'drop', chains, legacy: true },
    ];
  }
}

/** Chains that could drop frames of these bridges. */
export function obstacles(bases: readonly ForeignBase[], bridges: Iterable<string>): Obstacle[] {
  return [...bridges].flatMap((bridge) =>
    bases.flatMap((base) => {
      const why = couldDrop(base, bridge);
      return why.length > 0 ? [{ base, bridge, why }] : [];
    }),
  );
}

export const obstacleText = ({ base, bridge, why }: Obstacle): string =>
  `${base.legacy ? 'iptables-legacy' : 'nftables'} ${base.family} ${base.table} ${base.chain} could drop frames ` +
  `between VMs on ${bridge} (${why.slice(0, 3).join(', ')})`;
