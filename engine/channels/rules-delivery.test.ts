// Rules on their way to a gateway that is slow, goes away, has them already, or does not want them.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { ToGateway } from '@wocloud/protocol/gateway.ts';
import { RulesDelivery } from './rules-delivery.ts';

type Part = Extract<ToGateway, { type: 'rules' }>;

class Gateway {
  parts: Part[] = [];
  /** How many parts it takes now. */
  room = Infinity;
  readonly delivery = new RulesDelivery((message) => {
    if (this.room < 1) return false;
    this.room--;
    this.parts.push(message as Part);
    return true;
  });
  get text(): string {
    return this.parts.map((p) => p.part).join('');
  }
}

const digestOf = (text: string) => createHash('sha256').update(text).digest('hex');
const TEXT = 'r'.repeat(1_000_000);
const OTHER = 'o'.repeat(10);

test('they go in parts, in order, as fast as they are taken, and once', () => {
  const gateway = new Gateway();
  gateway.room = 3;
  gateway.delivery.want(digestOf(TEXT), TEXT);
  assert.deepEqual(gateway.parts, [], 'nobody is there yet');
  gateway.delivery.has('');
  assert.equal(gateway.parts.length, 3);
  gateway.room = Infinity;
  gateway.delivery.pump();
  assert.equal(gateway.text, TEXT);
  gateway.delivery.has('');
  gateway.delivery.pump();
  assert.equal(gateway.text, TEXT, 'the answer is out');
  gateway.delivery.answered(digestOf(TEXT), '');
  gateway.delivery.has(digestOf(TEXT));
  assert.equal(gateway.text, TEXT);
});

test('after a break they begin anew, unless they have arrived', () => {
  const gateway = new Gateway();
  gateway.room = 2;
  gateway.delivery.has('');
  gateway.delivery.want(digestOf(TEXT), TEXT);
  gateway.delivery.lost();
  gateway.room = Infinity;
  gateway.parts = [];
  gateway.delivery.has('');
  assert.equal(gateway.text, TEXT);
  gateway.delivery.lost();
  gateway.parts = [];
  gateway.delivery.has(digestOf(TEXT));
  assert.equal(gateway.text, '');
});

test('newer ones take the place of those under way', () => {
  const gateway = new Gateway();
  gateway.room = 2;
  gateway.delivery.has('');
  gateway.delivery.want(digestOf(TEXT), TEXT);
  gateway.room = Infinity;
  gateway.delivery.want(digestOf(OTHER), OTHER);
  assert.deepEqual(gateway.parts.at(-1), {
    type: 'rules',
    digest: digestOf(OTHER),
    offset: 0,
    total: 10,
    part: OTHER,
  });
});

test('what was refused is not sent again, but to another daemon', () => {
  const gateway = new Gateway();
  gateway.delivery.has('');
  gateway.delivery.want(digestOf(OTHER), OTHER);
  gateway.delivery.answered(digestOf(OTHER), 'line 1: no');
  gateway.delivery.has('');
  assert.equal(gateway.parts.length, 1);
  gateway.delivery.lost();
  gateway.delivery.forgive();
  gateway.delivery.has('');
  assert.equal(gateway.parts.length, 2);
});

test('no rules are sent only to a gateway that has some', () => {
  const gateway = new Gateway();
  gateway.delivery.wantNone();
  gateway.delivery.has('');
  assert.equal(gateway.parts.length, 0);
  gateway.delivery.has(digestOf(TEXT));
  assert.deepEqual(JSON.parse(gateway.text), { rules: '', thresholds: '' });
});
