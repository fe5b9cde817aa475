/**
 * From a target to a usable connection: connect, authenticate as far as libvirt asks for it, agree on
 * keepalive, open the driver; all within one deadline, leaving nothing behind on failure.
 */
import { Connection, type ConnectionOptions } from './connection.ts';
import { LibvirtError } from './errors.ts';
import {
  AuthList,
  AuthPolkit,
  ConnectClose,
  ConnectOpen,
  ConnectSupportsFeature,
  Feature,
} from './procedures-connect.ts';
import { connectTarget, type Target } from './transport.ts';

export interface OpenOptions extends ConnectionOptions {
  /** Default: the system's socket, /run/libvirt/libvirt-sock (or its read-only sibling). */
  readonly target?: Target;
  /** Driver to open. Default `qemu:///system`. */
  readonly uri?: string;
  /** Only look; libvirt refuses changes. */
  readonly readOnly?: boolean;
  /** Deadline until the connection can be used, ms. Default 10,000. */
  readonly connectTimeoutMs?: number;
  readonly signal?: AbortSignal;
}

const AUTH_NONE = 0;
const AUTH_POLKIT = 2;
const OPEN_READ_ONLY = 1;

/** Connects and opens; rejects with LibvirtError (`unreachable`, `refused`, `timeout`, `aborted`, `remote`, …). */
export async function openConnection(options: OpenOptions = {}): Promise<Connection> {
  const { uri = 'qemu:///system', readOnly = false, connectTimeoutMs = 10_000, signal } = options;
  const target = options.target ?? { unix: `/run/libvirt/libvirt-sock${readOnly ? '-ro' : ''}` };
  const end = performance.now() + connectTimeoutMs;
  const socket = await connectTarget(target, connectTimeoutMs, signal);
  const connection = new Connection(socket, options);
  const within = (): { timeoutMs: number; signal: AbortSignal | undefined } => ({
    timeoutMs: Math.max(1, end - performance.now()),
    signal,
  });
  try {
    const { types } = await connection.call(AuthList, {}, within());
    if (types.includes(AUTH_POLKIT) && !types.includes(AUTH_NONE))
      await connection.call(AuthPolkit, {}, within());
    else if (types.length > 0 && !types.includes(AUTH_NONE)) {
      throw new LibvirtError(
        'refused',
        `libvirt wants authentication of type ${types.join(', ')}; known are none and polkit`,
      );
    }
    // Asking tells libvirtd that we answer keepalive, and us that it does.
    const { supported } = await connection.call(
      ConnectSupportsFeature,
      { feature: Feature.programKeepalive },
      within(),
    );
    await connection.call(ConnectOpen, { name: uri, flags: readOnly ? OPEN_READ_ONLY : 0 }, within());
    if (supported) connection.startKeepalive();
    return connection;
  } catch (error) {
    connection.destroy();
    throw error;
  }
}

/** Says good-bye and closes; what still waits fails as `closed`. */
export async function closeConnection(connection: Connection, timeoutMs = 1_000): Promise<void> {
  try {
    if (!connection.isClosed) await connection.call(ConnectClose, undefined, { timeoutMs });
  } catch {
    // libvirt cleans up after whoever just hangs up, too
  }
  connection.destroy();
}
