// Words of switching enforcement: what it will do, whom it touches, how to undo it.
import { bilingual } from '../i18n/bilingual.ts';

export const words = bilingual({
  enforce: ['Enforce…', '开启强制…'],
  observe: ['Only observe…', '改为仅观察…'],
  titleEnforce: ['Enforce policies on {{name}}?', '对 {{name}} 强制执行策略？'],
  titleObserve: ['Stop enforcing on {{name}}?', '停止对 {{name}} 强制执行？'],
  whatEnforce: [
    'From then on traffic that no published policy allows is stopped, in the kernel, next to the VM.',
    '此后，已发布策略未放行的流量会在内核中、紧邻虚拟机处被拦截。',
  ],
  whatObserve: [
    'Nothing will be stopped any more. Flows are still seen, and policies are evaluated as staged.',
    '此后不再拦截任何流量。流量仍可见，策略仅作预演评估。',
  ],
  whatIf: ['What would have been stopped in the last 24 hours', '最近 24 小时内将会被拦截的流量'],
  whatIfNone: [
    'None of the flows seen in the last 24 hours would have been stopped.',
    '最近 24 小时内的流量都不会被拦截。',
  ],
  whatIfCount_one: [
    '{{number}} flow would have been stopped, for example:',
    '将有 {{number}} 条流量被拦截，例如：',
  ],
  whatIfCount_other: [
    '{{number}} flows would have been stopped, for example:',
    '将有 {{number}} 条流量被拦截，例如：',
  ],
  stoppedNow: ['What it stopped in the last 24 hours would pass', '最近 24 小时内被拦截的流量将会通过'],
  stoppedNone: ['Nothing was stopped in the last 24 hours.', '最近 24 小时内没有拦截任何流量。'],
  stoppedCount_one: ['{{number}} flow was stopped, for example:', '共拦截 {{number}} 条流量，例如：'],
  stoppedCount_other: ['{{number}} flows were stopped, for example:', '共拦截 {{number}} 条流量，例如：'],
  touches_one: ['It touches {{count}} VM.', '影响 {{count}} 台虚拟机。'],
  touches_other: ['It touches {{count}} VMs.', '影响 {{count}} 台虚拟机。'],
  hostDefault: [
    'A setting on a VM or on its tenant goes before that of the host: those VMs stay as they are.',
    '虚拟机自身或其租户的设置优先于宿主机：这些虚拟机保持不变。',
  ],
  undo: [
    'Switch back here at any time; it takes effect within a second.',
    '随时可在此切换回来，一秒内生效。',
  ],
  doEnforce: ['Enforce', '开启强制'],
  doObserve: ['Only observe', '改为仅观察'],
});
