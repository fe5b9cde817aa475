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

await test('each family says what to do, the closest advice first', () => {
  assert.match(alertAdvice('spoof.theft', 'en') ?? '', /outside the VMs/);
  assert.match(alertAdvice('spoof.nd-option', 'zh-CN') ?? '', /虚拟机设置/);
  assert.equal(alertAdvice('new.kind', 'en'), null);
});
