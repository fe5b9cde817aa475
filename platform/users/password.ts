// Passwords as argon2id, in the PHC text form, so that parameters can be raised without losing anyone.
import { argon2 as argon2Callback, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

const argon2 = promisify(argon2Callback);

/** OWASP's second choice (19 MiB, 2 passes, 1 lane): 30 ms or so, and little enough memory for a burst of sign-ins. */
const MEMORY = 19_456;
const PASSES = 2;
const LANES = 1;
const TAG = 32;

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64').replaceAll('=', '');

const derive = (
  password: string,
  nonce: Uint8Array,
  memory: number,
  passes: number,
  parallelism: number,
  tagLength: number,
) =>
  argon2('argon2id', {
    message: Buffer.from(password.normalize('NFKC')),
    nonce,
    memory,
    passes,
    parallelism,
    tagLength,
  });

/** `$argon2id$v=19$m=…,t=…,p=…$salt$hash`. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const tag = await derive(password, salt, MEMORY, PASSES, LANES, TAG);
  return `$argon2id$v=19$m=${MEMORY},t=${PASSES},p=${LANES}$${base64(salt)}$${base64(tag)}`;
}

/** True when `password` is the one hashed. A text that is no such hash matches nothing. */
export async function verifyPassword(password: string, hash: string): Promise<boolean> {
  const parts = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([^$]+)\$([^$]+)$/.exec(hash);
  if (!parts) return false;
  const [memory, passes, lanes] = [Number(parts[1]), Number(parts[2]), Number(parts[3])];
  const expected = Buffer.from(parts[5] ?? '', 'base64');
  const tag = await derive(
    password,
    Buffer.from(parts[4] ?? '', 'base64'),
    memory,
    passes,
    lanes,
    expected.length,
  );
  return timingSafeEqual(tag, expected);
}

let decoy: Promise<string> | undefined;
/** Costs as much as verifying a real password; for names that do not exist. */
export async function verifyNobody(password: string): Promise<false> {
  decoy ??= hashPassword(randomBytes(16).toString('hex'));
  await verifyPassword(password, await decoy);
  return false;
}
