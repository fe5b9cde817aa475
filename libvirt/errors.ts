/**
 * What can go wrong when talking to libvirt: what libvirt itself answered (RemoteError), bytes that are not
 * the protocol (ProtocolError), and everything about the connection (LibvirtError); told apart by `code`.
 */
import { nameOf } from './constants.ts';
import { ErrorNumber } from './constants-error.ts';

/**
 * Stable codes.
 * - `remote`: libvirt answered with an error (RemoteError).
 * - `malformed`, `too-large`: the peer's bytes are not the protocol (ProtocolError); the connection is dropped.
 * - `unreachable`: no connection could be made. `refused`: the peer wants an authentication we do not speak.
 * - `lost`: the connection went away before the answer; the call may or may not have happened.
 * - `disconnected`: there is no connection now; the call was not sent.
 * - `closed`: the caller closed it. `timeout`, `aborted`: the call's deadline or signal; libvirt may still do it.
 * - `overloaded`: too many calls wait. `overflow`: a stream's reader was too slow.
 * - `invalid`: an argument cannot be encoded.
 */
export type LibvirtErrorCode =
  | 'remote'
  | 'malformed'
  | 'too-large'
  | 'unreachable'
  | 'refused'
  | 'lost'
  | 'disconnected'
  | 'closed'
  | 'timeout'
  | 'aborted'
  | 'overloaded'
  | 'overflow'
  | 'invalid';

export class LibvirtError extends Error {
  readonly code: LibvirtErrorCode;

  constructor(code: LibvirtErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** Bytes that are not the libvirt protocol, or exceed a bound. */
export class ProtocolError extends LibvirtError {
  declare readonly code: 'malformed' | 'too-large';
}

/** The fields of libvirt's error structure that carry meaning. */
export interface RemoteErrorFields {
  /** virErrorNumber. */
  readonly number: number;
  /** virErrorDomain: which part of libvirt. */
  readonly domain: number;
  readonly message: string | null;
  readonly str1: string | null;
  readonly str2: string | null;
  readonly str3: string | null;
  readonly int1: number;
  readonly int2: number;
}

/** An error that libvirt answered; `number` is its virErrorNumber, `reason` that number's name in ErrorNumber. */
export class RemoteError extends LibvirtError {
  readonly number: number;
  readonly reason: string;
  readonly domain: number;
  readonly details: RemoteErrorFields;

  constructor(procedure: string, fields: RemoteErrorFields) {
    super('remote', `libvirt: ${procedure}: ${fields.message ?? `error ${fields.number}`}`);
    this.number = fields.number;
    this.reason = nameOf(ErrorNumber, fields.number);
    this.domain = fields.domain;
    this.details = fields;
  }
}

/** True when libvirt answered with this error number, e.g. `isRemote(error, ErrorNumber.noDomain)`. */
export function isRemote(error: unknown, number: number): error is RemoteError {
  return error instanceof RemoteError && error.number === number;
}
