// VMs as the API shows them: the report, and what is known and was said about it.
import type { PROTECTION, ObservedNic } from '@wocloud/protocol/reports.ts';
import type { VmView } from '@wocloud/protocol/views.ts';
import type { Database } from '../database/database.ts';
import type { Directory, DirectoryVm } from './directory.ts';
import { readReports } from './rows.ts';

type Protection = (typeof PROTECTION)[number];
/** Best first. */
const BY_BADNESS: readonly Protection[] = ['inactive', 'enforced', 'observed', 'unprotected'];

/** The worst of its NICs, and why. A VM without a NIC in use has nothing to protect just now. */
export function protectionOf(nics: readonly Pick<ObservedNic, 'protection' | 'reason'>[]): {
  protection: Protection;
  reason: string;
} {
  let worst: { protection: Protection; reason: string } = { protection: 'inactive', reason: '' };
  for (const { protection, reason } of nics)
    if (BY_BADNESS.indexOf(protection) > BY_BADNESS.indexOf(worst.protection)) worst = { protection, reason };
  return worst;
}

interface Times {
  id: string;
  first_seen: Date;
  last_seen: Date;
}

/** Views of these VMs, in their order. One that has vanished meanwhile is left out. */
export async function vmViews(
  db: Database,
  directory: Directory,
  vms: readonly DirectoryVm[],
): Promise<VmView[]> {
  const ids = vms.map((vm) => vm.id);
  const reports = await readReports(db, ids);
  const times = new Map(
    (
      await db.query<Times>(
        `SELECT v.id, v.first_seen, coalesce(v.gone_at, h.last_seen, v.changed_at) AS last_seen
         FROM vms v JOIN hosts h ON h.id = v.host WHERE v.id = ANY($1::uuid[])`,
        [ids],
      )
    ).map((row) => [row.id, row]),
  );
  return vms.flatMap((vm): VmView[] => {
    const report = reports.get(vm.id);
    const time = times.get(vm.id);
    if (!report || !time) return [];
    const networks = new Map(vm.nics.map((nic) => [nic.mac, nic.network]));
    return [
      {
        id: vm.id,
        name: report.name,
        title: report.title,
        host: vm.host,
        hostName: directory.hostName(vm.host) ?? '',
        tenant: vm.tenant,
        labels: vm.labels,
        state: report.state,
        vcpus: report.vcpus,
        memoryKiB: report.memoryKiB,
        nics: report.nics.map((nic) => ({ ...nic, network: networks.get(nic.mac) ?? null })),
        ...protectionOf(report.nics),
        mode: vm.mode,
        modeFrom: vm.modeFrom,
        groups: [...vm.groups],
        firstSeen: time.first_seen.toISOString(),
        lastSeen: time.last_seen.toISOString(),
        gone: vm.gone,
      },
    ];
  });
}
