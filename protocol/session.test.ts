// Two ends of a session over a wire that loses, and programs that die and come back: whatever happened before, once the
// wire is whole they agree again within a few ticks, and no message of an old session is ever heard in a new one.
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { FrameSession } from './session.ts';

let drawn = 0;

/** One end, and what it has heard and said. */
class End {
  readonly heard: string[] = [];
  readonly events: string[] = [];
  readonly session: FrameSession;
  out: Uint8Array[] = [];

  constructor(role: 'guest' | 'host') {
    this.session = new FrameSession({
      role,
      transmit: (bytes) => this.out.push(bytes),
      opened: () => this.events.push('opened'),
      message: (payload) => this.heard.push(Buffer.from(payload).toString()),
      closed: (why) => this.events.push(why),
      nonce: () => ++drawn,
    });
  }

  say(text: string): boolean {
    return this.session.send(Buffer.from(text));
  }
}

/** Carries what both have written until nothing moves. */
function settle(a: End, b: End): void {
  while (a.out.length + b.out.length > 0) {
    const [fromA, fromB] = [a.out, b.out];
    a.out = [];
    b.out = [];
    for (const bytes of fromA) b.session.receive(bytes);
    for (const bytes of fromB) a.session.receive(bytes);
  }
}

function opened(): { guest: End; host: End } {
  const [guest, host] = [new End('guest'), new End('host')];
  host.session.begin();
  settle(guest, host);
  assert.ok(guest.session.isOpen && host.session.isOpen);
  return { guest, host };
}

test('whoever comes first, the two find each other at once', () => {
  const { guest, host } = opened();
  assert.ok(host.say('welcome') && guest.say('hello'));
  settle(guest, host);
  assert.deepEqual([guest.heard, host.heard], [['welcome'], ['hello']]);

  const [late, early] = [new End('guest'), new End('host')];
  early.session.tick();
  early.out = [];
  late.session.begin();
  settle(late, early);
  assert.ok(late.session.isOpen && early.session.isOpen);
});

test('what was left on the wire for a guest that died is not heard by the next', () => {
  const { host } = opened();
  host.say('for the old one');
  const next = new End('guest');
  next.session.begin();
  settle(next, host);
  assert.ok(host.say('for the new one'));
  settle(next, host);
  assert.deepEqual(next.heard, ['for the new one']);
  assert.equal(next.session.counters.stale, 1);
  assert.deepEqual(host.events, ['opened', 'replaced', 'opened']);
});

test('an engine that starts anew replaces the session of the one before', () => {
  const { guest } = opened();
  guest.say('for the old one');
  const next = new End('host');
  next.session.begin();
  settle(guest, next);
  assert.ok(guest.say('for the new one'));
  settle(guest, next);
  assert.deepEqual(next.heard, ['for the new one']);
  assert.deepEqual(guest.events, ['opened', 'replaced', 'opened']);
});

test('silence ends a session after five ticks, not before', () => {
  const { host } = opened();
  for (let i = 0; i < 5; i++) host.session.tick();
  assert.equal(host.session.isOpen, true);
  host.session.tick();
  assert.deepEqual(host.events, ['opened', 'silent']);
});

test('heartbeats alone keep a session', () => {
  const { guest, host } = opened();
  for (let i = 0; i < 50; i++) {
    guest.session.tick();
    host.session.tick();
    settle(guest, host);
  }
  assert.deepEqual([guest.events, host.events], [['opened'], ['opened']]);
});

test('after any history of losses, deaths and ticks both agree within eight ticks, and hear only their own', () => {
  const step = fc.constantFrom('guest dies', 'host dies', 'tick', 'lose', 'garble', 'carry', 'say', 'wire');
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.infiniteStream(fc.nat(1_000)), (steps, random) => {
      let [guest, host] = [new End('guest'), new End('host')];
      host.session.begin();
      let said = 0;
      const end = () => (random.next().value % 2 === 0 ? guest : host);
      for (const what of steps) {
        if (what === 'guest dies') {
          const next = new End('guest');
          next.out = guest.out;
          guest = next;
        } else if (what === 'host dies') {
          const next = new End('host');
          next.out = host.out;
          host = next;
          host.session.begin();
        } else if (what === 'tick') end().session.tick();
        else if (what === 'lose') end().out.shift();
        else if (what === 'garble') {
          const bytes = end().out[0];
          if (bytes) bytes[random.next().value % bytes.length]! ^= 0x10;
        } else if (what === 'say') end().say(`${++said}`);
        else if (what === 'wire') end().session.begin();
        else settle(guest, host);
      }
      for (let i = 0; i < 8; i++) {
        guest.session.tick();
        host.session.tick();
        settle(guest, host);
      }
      guest.heard.length = host.heard.length = 0;
      assert.ok(guest.say('to the host'));
      assert.ok(host.say('to the guest'));
      settle(guest, host);
      assert.deepEqual([host.heard, guest.heard], [['to the host'], ['to the guest']]);
    }),
    { numRuns: Number(process.env['WOCLOUD_FUZZ_RUNS'] ?? 2_000) },
  );
});
