// Rules, chains, sets and elements as the kernel tells them → digests that are the same for the same rules: without
// handles, reference counts, counters, and the numbers the kernel gives to unnamed sets. Pure.
import { createHash, type Hash } from 'node:crypto';
import { eachAttribute } from '../netlink/message.ts';

// linux/netfilter/nf_tables.h
const RULE = { expressions: 4, userdata: 7 } as const;
const EXPRESSION = { name: 1, data: 2 } as const;
const LIST_ELEMENT = 1;
const CHAIN_KEPT: ReadonlySet<number> = new Set([4 /* hook */, 5 /* policy */, 7 /* type */, 10 /* flags */]);
const SET_KEPT: ReadonlySet<number> = new Set([3, 4, 5, 6, 7, 8, 9, 11, 13, 15]);
const ELEMENT_KEPT: ReadonlySet<number> = new Set([
  1 /* key */, 2 /* data */, 3 /* flags */, 6 /* userdata */, 10 /* key end */,
]);
const ELEMENT_FLAGS = 3;
const INTERVAL_END = 1;
const LOOKUP_SET = 1;
/** Expressions whose data is what packets made of them. */
const COUNTING: ReadonlySet<string> = new Set(['counter', 'quota', 'last']);

export const ATTRIBUTE = {
  table: 1,
  /** Of rules: the chain; of chains (3), sets and objects: the own name (2). */
  ruleChain: 2,
  chainName: 3,
  name: 2,
  setFlags: 3,
  elements: 3,
} as const;
export const SET_FLAG = { anonymous: 1, map: 8, timeout: 16, evaluate: 32 } as const;

export const textOf = (view: DataView, start: number, end: number): string =>
  Buffer.from(view.buffer, view.byteOffset + start, Math.max(0, end - start))
    .toString('latin1')
    .replace(/\0.*$/s, '');

const bytes = (view: DataView, start: number, end: number): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset + start, end - start);

/** Adds one attribute so that no two lists of attributes look alike. */
function add(hash: Hash, type: number, view: DataView, start: number, end: number): void {
  hash.update(`${type}:${end - start}:`).update(bytes(view, start, end));
}

/** The kept attributes of a message in the order the kernel tells them; `kept`: their types. */
function keptDigest(view: DataView, start: number, end: number, kept: ReadonlySet<number>): string {
  const hash = createHash('sha256');
  eachAttribute(view, start, end, (type, from, to) => {
    if (kept.has(type)) add(hash, type, view, from, to);
  });
  return hash.digest('hex');
}

/** What a chain is, without its rules. `start`: its attributes. */
export const chainDigest = (view: DataView, start: number, end: number): string =>
  keptDigest(view, start, end, CHAIN_KEPT);

/** What a set is, without its elements. */
export const setDigest = (view: DataView, start: number, end: number): string =>
  keptDigest(view, start, end, SET_KEPT);

export interface RuleReading {
  /** Pieces of the rule's digest; an unnamed set's name stands where its content is to be put. */
  parts: (string | { set: string })[];
}

/** A rule, as far as it can be known without the unnamed sets it looks into. */
export function readRule(view: DataView, start: number, end: number): RuleReading {
  const parts: RuleReading['parts'] = [];
  eachAttribute(view, start, end, (type, from, to) => {
    if (type === RULE.userdata) parts.push(`u${Buffer.from(bytes(view, from, to)).toString('hex')}`);
    if (type !== RULE.expressions) return;
    eachAttribute(view, from, to, (element, first, last) => {
      if (element === LIST_ELEMENT) readExpression(view, first, last, parts);
    });
  });
  return { parts };
}

function readExpression(view: DataView, start: number, end: number, into: RuleReading['parts']): void {
  let name = '';
  let data: [number, number] | undefined;
  eachAttribute(view, start, end, (type, from, to) => {
    if (type === EXPRESSION.name) name = textOf(view, from, to);
    if (type === EXPRESSION.data) data = [from, to];
  });
  into.push(`e${name}`);
  if (!data || COUNTING.has(name)) return;
  const [first, last] = data;
  if (name !== 'lookup') {
    into.push(Buffer.from(bytes(view, first, last)).toString('hex'));
    return;
  }
  eachAttribute(view, first, last, (type, from, to) => {
    const set = type === LOOKUP_SET ? textOf(view, from, to) : '';
    if (isUnnamed(set)) into.push({ set });
    else into.push(`${type}:${Buffer.from(bytes(view, from, to)).toString('hex')}`);
  });
}

/** The kernel names sets written inside rules by counting. */
export const isUnnamed = (set: string): boolean => /^__(set|map)\d+$/.test(set);

export interface ElementReading {
  digest: string;
  /** It ends an interval: the kernel keeps both ends as elements of their own. */
  isEnd: boolean;
}

/** Each element of a message of elements; `start`: the message's attributes. */
export function readElements(
  view: DataView,
  start: number,
  end: number,
  visit: (element: ElementReading) => void,
): void {
  eachAttribute(view, start, end, (type, from, to) => {
    if (type !== ATTRIBUTE.elements) return;
    eachAttribute(view, from, to, (element, first, last) => {
      if (element !== LIST_ELEMENT) return;
      let isEnd = false;
      eachAttribute(view, first, last, (field, at, to_) => {
        if (field === ELEMENT_FLAGS && to_ - at >= 4) isEnd = (view.getUint32(at) & INTERVAL_END) !== 0;
      });
      visit({ digest: keptDigest(view, first, last, ELEMENT_KEPT), isEnd });
    });
  });
}
