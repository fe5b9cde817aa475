// Words of policies and of the rule panel.
import { bilingual } from '../i18n/bilingual.ts';

export const words = bilingual({
  title: ['Policies', '策略'],
  answer: [
    'What may talk to what; the first rule that matches wins',
    '规定谁可以与谁通信；最先匹配的规则生效',
  ],
  tier_emergency: ['emergency', '应急'],
  tier_platform: ['platform', '平台'],
  tier_tenant: ['tenant', '租户'],
  tier_baseline: ['baseline', '基线'],
  tier: ['Tier', '层级'],
  priority: ['Priority', '优先级'],
  mode: ['Mode', '模式'],
  appliesTo: ['Applies to', '适用于'],
  rules: ['Rules', '规则数'],
  empty: ['No policy yet', '还没有策略'],
  emptyBody: [
    'A policy says what some VMs may talk to. Begin with a staged one: it changes nothing and shows what it would do.',
    '策略规定一组虚拟机可以与谁通信。建议先建一条预演策略：它不影响流量，只展示结果。',
  ],
  stagedSays: [
    'It changes nothing; flows show what it would do.',
    '不影响流量；流量记录中会显示其预演结果。',
  ],
  order: ['Order', '顺序'],
  rule: ['Rule', '规则'],
  direction: ['Direction', '方向'],
  direction_in: ['in', '入向'],
  direction_out: ['out', '出向'],
  direction_both: ['both', '双向'],
  action: ['Action', '动作'],
  from: ['From', '源'],
  to: ['To', '目的'],
  services: ['Services', '服务'],
  log: ['Log', '日志'],
  any: ['any', '任意'],
  flows: ['Flows', '流量'],
  all: ['all VMs of the tenant', '租户的全部虚拟机'],
  allEverywhere: ['all VMs', '全部虚拟机'],
});
