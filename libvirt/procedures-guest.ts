/**
 * Talking to what runs inside: the guest agent, QEMU's monitor, the addresses a guest has, freezing its file
 * systems. What a guest answers is the guest's word: hostile input.
 */
import { array, int, optional, received, string, struct, uint } from './codec.ts';
import { LibvirtError } from './errors.ts';
import { qemu, remote, type CallOptions, type Caller } from './procedure.ts';
import { domainArg, params, type DomainLike, type Params } from './wire.ts';

export const DomainMonitorCommand = qemu(
  1,
  'domain_monitor_command',
  { domain: domainArg, command: string, flags: uint },
  { result: string },
);
export const DomainAgentCommand = qemu(
  3,
  'domain_agent_command',
  { domain: domainArg, command: string, timeout: int, flags: uint },
  { result: optional(string) },
);
export const DomainInterfaceAddresses = remote(
  353,
  'domain_interface_addresses',
  { domain: domainArg, source: uint, flags: uint },
  {
    interfaces: array(
      struct({
        name: string,
        mac: optional(string),
        addresses: array(
          received(
            struct({ type: int, address: string, prefix: uint }),
            ({ type, address, prefix }): GuestAddress => ({
              family: type === 0 ? 4 : 6,
              address,
              prefix,
            }),
          ),
          2048,
        ),
      }),
      2048,
    ),
  },
);
export const DomainGetGuestInfo = remote(
  418,
  'domain_get_guest_info',
  { domain: domainArg, types: uint, flags: uint },
  { params: params(2048) },
);
export const DomainFsfreeze = remote(
  335,
  'domain_fsfreeze',
  { domain: domainArg, mountpoints: array(string, 256), flags: uint },
  { filesystems: int },
);
export const DomainFsthaw = remote(
  336,
  'domain_fsthaw',
  { domain: domainArg, mountpoints: array(string, 256), flags: uint },
  { filesystems: int },
);

export interface GuestAddress {
  readonly family: 4 | 6;
  readonly address: string;
  readonly prefix: number;
}

export interface GuestInterface {
  /** The guest's name (agent) or the host's (leases, ARP). */
  readonly name: string;
  readonly mac: string | null;
  readonly addresses: readonly GuestAddress[];
}

/** A domain's addresses, as a source of AddressSource knows them: leases, the agent, or the host's ARP table. */
export async function domainInterfaceAddresses(
  caller: Caller,
  domain: DomainLike,
  source: number,
  options?: CallOptions,
): Promise<readonly GuestInterface[]> {
  return (await caller.call(DomainInterfaceAddresses, { domain, source, flags: 0 }, options)).interfaces;
}

/** What libvirt waits for the agent's answer, in seconds, unless told. */
const AGENT_SECONDS = 10;

/**
 * Sends one QMP command and returns its `return` value. A command that QEMU refuses rejects with `invalid` and
 * QEMU's words. Marks the domain as tainted ("custom-monitor").
 */
export async function monitorCommand(
  caller: Caller,
  domain: DomainLike,
  command: { readonly execute: string; readonly arguments?: Readonly<Record<string, unknown>> },
  options?: CallOptions,
): Promise<unknown> {
  const { result } = await caller.call(
    DomainMonitorCommand,
    { domain, command: JSON.stringify(command), flags: 0 },
    options,
  );
  const answer = parseObject(`monitor command ${command.execute}`, result);
  if ('error' in answer) {
    throw new LibvirtError(
      'invalid',
      `monitor command ${command.execute}: ${JSON.stringify(answer['error'])}`,
    );
  }
  return answer['return'];
}

/** Sends one line to QEMU's human monitor and returns what it prints. */
export async function humanMonitorCommand(
  caller: Caller,
  domain: DomainLike,
  line: string,
  options?: CallOptions,
): Promise<string> {
  return (await caller.call(DomainMonitorCommand, { domain, command: line, flags: 1 }, options)).result;
}

/**
 * Sends one command to the QEMU guest agent and returns its `return` value, unchecked. `agentSeconds`: how long
 * libvirt waits for the guest (-1: forever, 0: not at all); it holds up one of the connection's calls meanwhile.
 */
export async function agentCommand(
  caller: Caller,
  domain: DomainLike,
  command: { readonly execute: string; readonly arguments?: Readonly<Record<string, unknown>> },
  agentSeconds = AGENT_SECONDS,
  options?: CallOptions,
): Promise<unknown> {
  const { result } = await caller.call(
    DomainAgentCommand,
    { domain, command: JSON.stringify(command), timeout: agentSeconds, flags: 0 },
    options,
  );
  if (result === null) return undefined;
  return parseObject(`agent command ${command.execute}`, result)['return'];
}

function parseObject(what: string, text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new LibvirtError('invalid', `${what}: the answer is not JSON`, { cause: error });
  }
  if (typeof value !== 'object' || value === null)
    throw new LibvirtError('invalid', `${what}: the answer is not an object`);
  return value as Readonly<Record<string, unknown>>;
}

/** What the agent tells of users, OS, time zone, host name, file systems, disks, interfaces; types 0: all it knows. */
export async function guestInfo(
  caller: Caller,
  domain: DomainLike,
  types = 0,
  options?: CallOptions,
): Promise<Params> {
  return (await caller.call(DomainGetGuestInfo, { domain, types, flags: 0 }, options)).params;
}

/** Freezes the guest's file systems (all, or those mounted there) through its agent; returns how many. */
export async function freezeFilesystems(
  caller: Caller,
  domain: DomainLike,
  mountpoints: readonly string[] = [],
  options?: CallOptions,
): Promise<number> {
  return (await caller.call(DomainFsfreeze, { domain, mountpoints, flags: 0 }, options)).filesystems;
}

/** Thaws what freezeFilesystems froze; returns how many. */
export async function thawFilesystems(
  caller: Caller,
  domain: DomainLike,
  mountpoints: readonly string[] = [],
  options?: CallOptions,
): Promise<number> {
  return (await caller.call(DomainFsthaw, { domain, mountpoints, flags: 0 }, options)).filesystems;
}
