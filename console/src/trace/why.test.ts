// Why a packet fares as it does is said from facts, so that it is said in each language.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResponseOf } from '@wocloud/protocol/api.ts';
import { ROOMS } from '../i18n/rooms.ts';
import type { Words } from '../i18n/language.ts';
import { readGateway } from './gateway.ts';
import { stepWhy, why } from './why.ts';

const flat = Object.fromEntries(
  Object.entries(ROOMS).flatMap(([room, phrases]) =>
    Object.entries(phrases).map(([key, [, zh]]) => [`${room}.${key}`, zh]),
  ),
);
/** Chinese without i18next: one form for every number. */
const t: Words['t'] = (key, values = {}) =>
  (flat[key] ?? flat[`${key}_other`] ?? key).replace(/\{\{(\w+)\}\}/g, (_: string, name: string) =>
    String(values[name]),
  );

type Trace = ResponseOf<'trace.create'>;
const trace = (over: Partial<Trace>): Trace => ({
  verdict: 'dropped',
  rule: 'acme/db/rest',
  policy: 'acme/db',
  why: '',
  steps: [],
  staged: null,
  ...over,
});

await test('the verdict is explained by the rule, the default, or what else decided', () => {
  assert.equal(why(trace({}), t), '最先匹配的规则是 acme/db/rest：丢弃。');
  assert.equal(why(trace({ rule: 'default/between' }), t), '没有规则匹配，按默认动作（租户间流量）：丢弃。');
  assert.equal(why(trace({ rule: '' }), t), '在另一端被丢弃，该规则不属于您。');
  assert.equal(why(trace({ verdict: 'allowed', rule: '' }), t), '没有任何规则拦截。');
  assert.match(why(trace({ verdict: 'observed', rule: '' }), t), /两端均未强制防护/);
  assert.match(why(trace({ verdict: 'unprotected', rule: '' }), t), /没有可防护的网卡/);
});

await test('a step says which rule matched, and when it decides nothing', () => {
  const step = (over: Partial<Trace['steps'][number]>): Trace['steps'][number] => ({
    where: 'kvm-1',
    direction: 'out',
    vm: 'web-1',
    rule: 'globex/rented/rest',
    policy: 'globex/rented',
    tier: 'tenant',
    action: 'drop',
    staged: false,
    why: 'first to match of 3 asked',
    ...over,
  });
  assert.equal(stepWhy(step({}), t), '依次检查，第 3 条规则最先匹配');
  assert.equal(
    stepWhy(step({ staged: true, why: 'first to match of 1 asked; staged: decides nothing' }), t),
    '依次检查，第 1 条规则最先匹配；预演：不影响结果',
  );
  assert.equal(
    stepWhy(step({ rule: 'default/egress', why: 'no rule matched, so the default "egress" holds' }), t),
    '没有规则匹配，采用默认动作（去往外部的流量）',
  );
});

await test('a gateway on the way is told with what becomes of traffic without it', () => {
  const gateway = (action: string, said: string, rule = 'acme/web'): Trace['steps'][number] => ({
    where: 'gateway',
    direction: 'in',
    vm: null,
    rule,
    policy: null,
    tier: null,
    action,
    staged: false,
    why: said,
  });
  const inline = gateway('inspect', 'it passes through the gateway; while none works, it is dropped');
  assert.deepEqual(readGateway(inline), { mode: 'inline', failure: 'closed', obstacle: null });
  assert.equal(stepWhy(inline, t), '串接：流量经过网关，网关可以丢弃；故障阻断：没有可用网关时，流量被丢弃');
  const copy = gateway('mirror', 'the gateway gets a copy; as the other end wants it', '');
  assert.deepEqual(readGateway(copy), { mode: 'mirror', failure: null, obstacle: null });
  assert.equal(stepWhy(copy, t), '镜像：网关得到一份副本；由另一端要求');
  const refused = gateway('drop', 'no gateway can see it, because the host itself is an end; it is dropped');
  assert.equal(
    why(trace({ rule: 'acme/web/https-in', steps: [refused] }), t),
    '要求检测，否则不得通过，而网关无法检测：一端是宿主机自身。',
  );
});
