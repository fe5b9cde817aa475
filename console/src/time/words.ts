// Words of the time range and of the histogram.
import { bilingual } from '../i18n/bilingual.ts';

export const words = bilingual({
  range: ['Time range', '时间范围'],
  last5m: ['Last 5 minutes', '最近 5 分钟'],
  last15m: ['Last 15 minutes', '最近 15 分钟'],
  last1h: ['Last hour', '最近 1 小时'],
  last6h: ['Last 6 hours', '最近 6 小时'],
  last24h: ['Last 24 hours', '最近 24 小时'],
  last7d: ['Last 7 days', '最近 7 天'],
  last30d: ['Last 30 days', '最近 30 天'],
  lastOther: ['Last {{age}}', '最近 {{age}}'],
  from: ['From', '开始'],
  to: ['To', '结束'],
  apply: ['Apply', '应用'],
  toNow: ['Back to now', '回到现在'],
  earlier: ['Earlier', '更早'],
  later: ['Later', '更晚'],
  wider: ['Twice as long', '范围加倍'],
  custom: ['Between two instants', '自定义起止时间'],
  histogram: ['Flows over time', '流量随时间分布'],
  histogramSays: [
    '{{total}} flows: {{allowed}} allowed, {{observed}} observed, {{dropped}} dropped, {{rejected}} rejected. Drag to choose a time range.',
    '共 {{total}} 条流量：放行 {{allowed}}，仅观察 {{observed}}，丢弃 {{dropped}}，拒绝 {{rejected}}。拖动可选择时间范围。',
  ],
});
