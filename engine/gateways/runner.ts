// What every form of gateway has in common: how an instance is asked for, how it is known while it runs, and what may
// go wrong. An instance outlives the engine; whoever lists finds what runs now, whoever started it.
import type { GatewayForm } from '@wocloud/protocol/resources/gateway.ts';

export interface InstanceSpec {
  /** 1 to MAX_INSTANCES, free on this host. */
  readonly number: number;
  /** Name of the Gateway document. */
  readonly gateway: string;
  readonly form: GatewayForm;
  readonly vcpus: number;
  readonly memoryMiB: number;
  /** Version of an image that is on this host. */
  readonly image: string;
  /** The largest of the networks whose frames it gets; 1500 unless told. */
  readonly mtu?: number;
}

export interface RunningInstance {
  readonly number: number;
  readonly gateway: string;
  readonly form: GatewayForm;
  readonly image: string;
  /** Devices of the host: first, second, mirror. An index of theirs is good for as long as `alive` stays true. */
  readonly a: string;
  readonly b: string;
  readonly m: string;
  /** Unix socket that the gateway's end of the channel listens on; one connection at a time. */
  readonly channel: string;
  /** False: it has ended by itself. Its remains are there until `stop`. */
  readonly alive: boolean;
}

export interface Runner {
  /**
   * Starts an instance; resolves when its devices are there and it boots, long before it answers on its channel. Throws
   * GatewayError, and then nothing of it is left.
   */
  start(spec: InstanceSpec): Promise<RunningInstance>;
  /** Ends it and takes away all that is left of it: devices, namespaces, sockets. Nothing to do is fine. */
  stop(number: number): Promise<void>;
  /**
   * What is here now, by number; what is being started is not alive yet. Rejects when that cannot be known (libvirt is
   * away).
   */
  list(): Promise<RunningInstance[]>;
}

/**
 * - `image-missing`: no image of this version is on the host.
 * - `image-changed`: a file of the image is not what was built.
 * - `in-use`: an instance with this number is here already.
 * - `failed`: it could not be started; the message says why.
 */
export type GatewayErrorCode = 'image-missing' | 'image-changed' | 'in-use' | 'failed';

export class GatewayError extends Error {
  readonly code: GatewayErrorCode;

  constructor(code: GatewayErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'GatewayError';
    this.code = code;
  }
}

/** Names of everything of an instance on the host. */
export const instanceName = (number: number): string => `wocloud-gateway-${number}`;
export const instanceDevices = (number: number): { a: string; b: string; m: string } => ({
  a: `wog${number}a`,
  b: `wog${number}b`,
  m: `wog${number}m`,
});
