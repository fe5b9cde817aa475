// Tells the platform of VMs: each change once, and all of them when the link opens or when asked.
import type { ObservedVm } from '@wocloud/protocol/reports.ts';
import type { Up } from '@wocloud/protocol/link.ts';
import type { AddressBook } from './addresses.ts';
import type { Inventory } from './inventory.ts';
import { observedVm, type ProtectionOf } from './observed.ts';

export class Reporter {
  readonly #inventory: Inventory;
  readonly #book: AddressBook;
  readonly #protection: ProtectionOf;
  readonly #send: (message: Up) => boolean;
  /** What the platform has been told, as JSON, by VM. Undefined: nothing on this connection yet. */
  #told: Map<string, string> | undefined;

  constructor(
    inventory: Inventory,
    book: AddressBook,
    protection: ProtectionOf,
    send: (message: Up) => boolean,
  ) {
    this.#inventory = inventory;
    this.#book = book;
    this.#protection = protection;
    this.#send = send;
    inventory.on('vm', (id) => this.changed([id]));
    inventory.on('gone', (id) => this.#gone(id));
    inventory.on('resynced', () => this.#resynced());
  }

  /** A VM as it is now; undefined when there is none. */
  observe(id: string): ObservedVm | undefined {
    const vm = this.#inventory.vms.get(id);
    return vm && observedVm(vm, (mac) => this.#book.of(mac), this.#protection);
  }

  /** The link is new, or the platform asks: tell everything. Before the first look at libvirt there is nothing to tell. */
  all(): void {
    this.#told = undefined;
    if (this.#inventory.counters['inventory.resyncs'] === 0) return;
    const vms = [...this.#inventory.vms.keys()].flatMap((id) => this.observe(id) ?? []);
    if (this.#send({ type: 'inventory', vms }))
      this.#told = new Map(vms.map((vm) => [vm.id, JSON.stringify(vm)]));
  }

  /** Something about these VMs may have changed; tells those that have. */
  changed(ids: Iterable<string>): void {
    if (!this.#told) return;
    for (const id of ids) {
      const vm = this.observe(id);
      if (!vm) continue;
      const text = JSON.stringify(vm);
      if (this.#told.get(id) !== text && this.#send({ type: 'vm', vm })) this.#told.set(id, text);
    }
  }

  #gone(id: string): void {
    if (this.#told?.delete(id)) this.#send({ type: 'vmGone', id });
  }

  /** Everything was read anew: tell the difference, so that a quiet host sends nothing. */
  #resynced(): void {
    if (!this.#told) return this.all();
    for (const id of this.#told.keys()) if (!this.#inventory.vms.has(id)) this.#gone(id);
    this.changed(this.#inventory.vms.keys());
  }
}
