// The one error of this room: a stable code, what happened, where in the text, and what to do.

export type PolicyErrorCode =
  | 'selector.syntax'
  | 'service.syntax'
  | 'service.unknown'
  | 'cidr.syntax'
  | 'delta.mismatch'
  | 'render.slots';

export class PolicyError extends Error {
  readonly code: PolicyErrorCode;
  /** Offset in the text that was parsed, when there is one. */
  readonly position: number | null;
  readonly hint: string | null;

  constructor(
    code: PolicyErrorCode,
    message: string,
    options: { position?: number; hint?: string; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'PolicyError';
    this.code = code;
    this.position = options.position ?? null;
    this.hint = options.hint ?? null;
  }
}
