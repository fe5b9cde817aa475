/**
 * Streams into and out of a domain: its serial console, a virtio channel, a picture of its screen.
 */
import { optional, string, uint } from './codec.ts';
import { LibvirtError } from './errors.ts';
import { remote, type CallOptions, type Caller } from './procedure.ts';
import type { LibvirtStream } from './stream.ts';
import { domainArg, type DomainLike } from './wire.ts';

export const DomainOpenConsole = remote(
  201,
  'domain_open_console',
  { domain: domainArg, device: optional(string), flags: uint },
  {},
);
export const DomainOpenChannel = remote(
  296,
  'domain_open_channel',
  { domain: domainArg, name: optional(string), flags: uint },
  {},
);
export const DomainScreenshot = remote(
  211,
  'domain_screenshot',
  { domain: domainArg, screen: uint, flags: uint },
  { mime: optional(string) },
);

/** A console (an alias like `serial0`, or null for the first); flags of ConsoleFlag. It must be a pty. */
export async function openConsole(
  caller: Caller,
  domain: DomainLike,
  device: string | null = null,
  flags = 0,
  options?: CallOptions,
): Promise<LibvirtStream> {
  return (await caller.openStream(DomainOpenConsole, { domain, device, flags }, options)).stream;
}

/** A channel by its target name (null for the first); flag 1 takes it from another client. It must be a unix socket. */
export async function openChannel(
  caller: Caller,
  domain: DomainLike,
  name: string | null = null,
  flags = 0,
  options?: CallOptions,
): Promise<LibvirtStream> {
  return (await caller.openStream(DomainOpenChannel, { domain, name, flags }, options)).stream;
}

/**
 * A picture of a screen: its bytes and their media type (PPM or PNG, as QEMU likes). The options hold for the whole
 * of it, not only until the first byte.
 */
export async function screenshot(
  caller: Caller,
  domain: DomainLike,
  screen = 0,
  options: CallOptions = {},
): Promise<{ readonly mime: string; readonly bytes: Buffer }> {
  const { reply, stream } = await caller.openStream(DomainScreenshot, { domain, screen, flags: 0 }, options);
  const { signal, timeoutMs = 30_000 } = options;
  const bytes = await within(stream, signal, timeoutMs, stream.readAll());
  return { mime: reply.mime ?? 'application/octet-stream', bytes };
}

/** Ends a stream, and what waits for it, when time is up or the signal says so. */
async function within<T>(
  stream: LibvirtStream,
  signal: AbortSignal | undefined,
  timeoutMs: number,
  work: Promise<T>,
): Promise<T> {
  const gaveUp = Promise.withResolvers<never>();
  const giveUp = (error: LibvirtError): void => {
    gaveUp.reject(error);
    stream.abort();
  };
  const onAbort = (): void =>
    giveUp(new LibvirtError('aborted', 'stream: aborted', { cause: signal?.reason }));
  const timer = Number.isFinite(timeoutMs)
    ? setTimeout(
        () => giveUp(new LibvirtError('timeout', `stream: not ended within ${timeoutMs} ms`)),
        timeoutMs,
      )
    : undefined;
  if (signal?.aborted === true) onAbort();
  else signal?.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([gaveUp.promise, work]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}
