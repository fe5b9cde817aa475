// What keeps an engine from its work, by stable code; messages say what happened, on what, and what to do.

/**
 * - `option`: a flag or setting that makes no sense.
 * - `join`: the platform did not take this host in.
 * - `identity`: key or certificate in the state directory cannot be used.
 * - `firewall`: the kernel refused a ruleset, or nftables cannot be used here.
 * - `state`: the state directory cannot be read or written, or another engine uses it.
 */
export type EngineErrorCode = 'option' | 'join' | 'identity' | 'firewall' | 'state';

export class EngineError extends Error {
  readonly code: EngineErrorCode;

  constructor(code: EngineErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EngineError';
    this.code = code;
  }
}
