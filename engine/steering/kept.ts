// What steering must know again after a restart and cannot read off the host: which share went where, and how large each
// instance was asked to be. None of it outlives the instances, so it need not outlive the machine.
import { MAX_INSTANCES } from '@wocloud/protocol/resources/gateway.ts';
import { readStateFile, writeStateFile } from '../state-file.ts';
import { BUCKETS, NO_BUCKETS } from './buckets.ts';

export interface Size {
  gateway: string;
  image: string;
  vcpus: number;
  memoryMiB: number;
}

export class Kept {
  readonly #path: string;
  buckets: readonly number[] = NO_BUCKETS;
  /** By number. */
  readonly #sizes = new Map<number, Size>();

  constructor(path: string) {
    this.#path = path;
    const { buckets, sizes } = read(path);
    if (Array.isArray(buckets) && buckets.length === BUCKETS && buckets.every(isNumber))
      this.buckets = buckets;
    for (const [number, size] of Object.entries(sizes ?? {})) this.#sizes.set(Number(number), size);
  }

  /** What was asked for; undefined when it is not known of this very instance. */
  size(instance: { number: number; gateway: string; image: string }): Size | undefined {
    const size = this.#sizes.get(instance.number);
    return size?.gateway === instance.gateway && size.image === instance.image ? size : undefined;
  }

  setSize(number: number, size: Size): void {
    this.#sizes.set(number, size);
    this.#write();
  }

  setBuckets(buckets: readonly number[]): void {
    this.buckets = buckets;
    this.#write();
  }

  #write(): void {
    const kept = { buckets: this.buckets, sizes: Object.fromEntries(this.#sizes) };
    writeStateFile(this.#path, JSON.stringify(kept), false);
  }
}

const isNumber = (value: unknown): boolean =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_INSTANCES;

function read(path: string): { buckets?: number[]; sizes?: Record<string, Size> } {
  try {
    return (JSON.parse(readStateFile(path) ?? '{}') ?? {}) as ReturnType<typeof read>;
  } catch {
    // Unreadable: shares are dealt anew.
    return {};
  }
}
