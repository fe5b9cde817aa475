// Control frames of engines, checked against the protocol before anyone looks at them.
import { MAX_CONTROL_BYTES, JoinRequest, Up } from '@wocloud/protocol/link.ts';
import { Compile } from 'typebox/compile';

const up = Compile(Up);
const joinRequest = Compile(JoinRequest);

/** A text frame → its message, or why it is none. Never throws. */
export function parseUp(frame: Uint8Array): { message: Up } | { malformed: string } {
  return parse(
    frame,
    MAX_CONTROL_BYTES,
    (value) => up.Check(value),
    (value) => firstError(up, value),
  );
}

/** The body of a joining request, or why it is none. Never throws. */
export function parseJoin(body: Uint8Array): { message: JoinRequest } | { malformed: string } {
  return parse(
    body,
    32_768,
    (value) => joinRequest.Check(value),
    (value) => firstError(joinRequest, value),
  );
}

function parse<T>(
  frame: Uint8Array,
  limit: number,
  check: (value: unknown) => value is T,
  explain: (value: unknown) => string,
): { message: T } | { malformed: string } {
  if (frame.length > limit) return { malformed: `${frame.length} bytes` };
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(frame));
  } catch {
    return { malformed: 'not JSON' };
  }
  return check(value) ? { message: value } : { malformed: explain(value) };
}

function firstError(
  schema: { Errors(value: unknown): { instancePath: string; message: string }[] },
  value: unknown,
): string {
  const type = (value as { type?: unknown } | null)?.type;
  const [first] = schema.Errors(value);
  return `${typeof type === 'string' ? type.slice(0, 32) : 'no type'}: ${first?.instancePath ?? ''} ${first?.message ?? ''}`;
}
