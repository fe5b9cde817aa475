// VMs as hosts report them, read for the plan: which segment each NIC is on, and which addresses are known how.
import type { ObservedAddress, ObservedNic } from '@wocloud/protocol/reports.ts';
import type { Database } from '../database/database.ts';

export interface ReportedNic {
  mac: string;
  link: ObservedNic['link'];
  bridge: string | null;
  vlan: number | null;
  addresses: ObservedAddress[];
}
export interface ReportedVm {
  id: string;
  name: string;
  host: string;
  tenant: string | null;
  labels: Record<string, string>;
  gone: boolean;
  nics: ReportedNic[];
}

/** Reports of these VMs, or of all (null). VMs of hosts that were forgotten count as gone. */
export async function readVms(db: Database, ids: readonly string[] | null): Promise<ReportedVm[]> {
  return db.query<ReportedVm>(
    `SELECT v.id, v.name, v.host, v.tenant, v.labels, (v.gone_at IS NOT NULL OR h.forgotten) AS gone,
       coalesce((SELECT jsonb_agg(jsonb_build_object('mac', n.mac, 'link', n.link, 'bridge', n.bridge,
           'vlan', n.vlan, 'addresses', coalesce((SELECT jsonb_agg(jsonb_build_object('ip', a.ip,
             'source', a.source) ORDER BY a.ip, a.source) FROM addresses a WHERE a.vm = n.vm AND a.mac = n.mac), '[]'))
           ORDER BY n.position)
         FROM nics n WHERE n.vm = v.id), '[]') AS nics
     FROM vms v JOIN hosts h ON h.id = v.host
     WHERE $1::uuid[] IS NULL OR v.id = ANY ($1)
     ORDER BY v.id`,
    [ids],
  );
}

export interface PlanHost {
  id: string;
  name: string;
  /** What the host itself last said it has. */
  applied: number;
}

export const readHosts = (db: Database): Promise<PlanHost[]> =>
  db.query<PlanHost>(
    'SELECT id, name, applied_generation AS applied FROM hosts WHERE NOT forgotten ORDER BY id',
  );

/** Links whose traffic passes a bridge of the host, where its kernel can guard it. */
const BRIDGED: ReadonlySet<ObservedNic['link']> = new Set(['network', 'bridge', 'ethernet', 'other']);
export const guardable = (nic: ReportedNic): boolean => nic.bridge !== null && BRIDGED.has(nic.link);
