// What this host is: kernel, hypervisor, size; and what stands in the way of protection.
import { cpus, hostname, release, totalmem } from 'node:os';
import { hypervisorVersion, libvirtVersion, type Version } from '@wocloud/libvirt/procedures-connect.ts';
import type { Session } from '@wocloud/libvirt/session.ts';
import type { HostFacts } from '@wocloud/protocol/reports.ts';

export type Notice = HostFacts['notices'][number];

const text = ({ major, minor, release: patch }: Version): string => `${major}.${minor}.${patch}`;

export class Facts {
  readonly #session: Session;
  readonly #notices = new Map<string, Notice[]>();
  #versions = { libvirt: '', qemu: '' };

  constructor(session: Session) {
    this.#session = session;
  }

  /** Replaces the notices of one source; true when that changed anything. */
  notice(source: string, notices: readonly Notice[]): boolean {
    const clipped = notices.map(({ code, message, action }) => ({
      code: code.slice(0, 64),
      message: message.slice(0, 1000),
      action: action.slice(0, 1000),
    }));
    const before = JSON.stringify(this.#notices.get(source) ?? []);
    this.#notices.set(source, clipped);
    return JSON.stringify(clipped) !== before;
  }

  /** Asks libvirt for its versions; what it does not say stays as it was. */
  async refresh(): Promise<void> {
    const [libvirt, qemu] = await Promise.all([
      libvirtVersion(this.#session),
      hypervisorVersion(this.#session),
    ]);
    this.#versions = { libvirt: text(libvirt), qemu: text(qemu) };
  }

  get(): HostFacts {
    return {
      hostname: hostname().slice(0, 253),
      kernel: release(),
      ...this.#versions,
      libvirtUp: this.#session.isConnected,
      cpus: cpus().length,
      memoryKiB: Math.floor(totalmem() / 1024),
      notices: [...this.#notices.values()].flat().slice(0, 64),
    };
  }
}
