// Alerts speak Chinese where they are known, and fall back on the platform's title where they are not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alertAdvice, alertTitle } from './titles.ts';

const alert = (kind: string, evidence: Record<string, unknown> = {}) => ({
  kind,
  title: 'English title',
  vmName: 'web-1',
  hostName: 'kvm-1',
  evidence,
});

await test('a known kind is told in Chinese with what the evidence says', () => {
  assert.equal(
    alertTitle(alert('spoof.ipv4', { claimedIp: '10.0.0.9' }), 'zh-CN'),
    '虚拟机 web-1 发送了不属于自己的 IPv4 地址（10.0.0.9）',
  );
  assert.equal(alertTitle(alert('host.stale'), 'zh-CN'), '宿主机 kvm-1 长时间没有上报');
  assert.equal(alertTitle(alert('spoof.ipv4'), 'en'), 'English title');
  assert.equal(alertTitle(alert('new.kind'), 'zh-CN'), 'English title');
});

await test('what gateways and limits tell is told in Chinese, a rule’s own message as it is', () => {
  const told = (kind: string, evidence = {}, title = 'ET EXPLOIT x') =>
    alertTitle({ ...alert(kind, evidence), title }, 'zh-CN');
  assert.equal(told('inspection.alert', { action: 'blocked' }), '安全网关已阻断：ET EXPLOIT x');
  assert.equal(told('inspection.alert', { action: 'allowed' }), '安全网关检测到：ET EXPLOIT x');
  assert.equal(
    told('gateway.failed', { reason: 'no probe' }, 'Gateway edge/1 on kvm-1 has failed: no probe'),
    '宿主机 kvm-1 的安全网关 edge/1 故障：no probe',
  );
  assert.equal(
    told('syn.flood', { destination: '10.0.0.1', destinationPort: 443 }),
    '虚拟机 web-1 向 10.0.0.1 的 443 端口发起 SYN 洪泛，超出部分被拒绝',
  );
  assert.equal(told('limit.connections'), '虚拟机 web-1 的并发连接数达到限额，新连接被拒绝');
  for (const kind of [
    'inspection.alert',
    'gateway.failed',
    'gateway.degraded',
    'gateway.rules',
    'syn.flood',
    'limit.connections',
    'limit.rate',
  ])
    assert.ok(alertAdvice(kind, 'en') && alertAdvice(kind, 'zh-CN'), kind);
});

await test('each family says what to do, the closest advice first', () => {
  assert.match(alertAdvice('spoof.theft', 'en') ?? '', /outside the VMs/);
  assert.match(alertAdvice('spoof.nd-option', 'zh-CN') ?? '', /虚拟机设置/);
  assert.equal(alertAdvice('new.kind', 'en'), null);
});
