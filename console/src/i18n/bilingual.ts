// Each phrase stands once, in both languages side by side: [English, 简体中文]. A half-translated screen cannot be
// written. Counted phrases come as `key_one` and `key_other`; Chinese uses the latter alone.

export type Phrases = Readonly<Record<string, readonly [en: string, zh: string]>>;

/** A room's phrases; keys get the room's name in front. */
export const bilingual = <const P extends Phrases>(phrases: P): P => phrases;

type Counted<K extends string> = K extends `${infer Base}_one` | `${infer Base}_other` ? Base : K;
/** Keys of a table of rooms: `flows.title`, plural endings taken off. */
export type KeyOf<R extends Record<string, Phrases>> = {
  [N in keyof R & string]: `${N}.${Counted<keyof R[N] & string>}`;
}[keyof R & string];

/** i18next's resources of one language. */
export function flatten(rooms: Record<string, Phrases>, side: 0 | 1): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [room, phrases] of Object.entries(rooms))
    for (const [key, pair] of Object.entries(phrases)) flat[`${room}.${key}`] = pair[side];
  return flat;
}
