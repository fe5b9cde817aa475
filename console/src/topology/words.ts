// Words of the topology.
import { bilingual } from '../i18n/bilingual.ts';

export const words = bilingual({
  title: ['Topology', '拓扑'],
  answer: [
    'Which groups talk to which, and what is stopped or unprotected',
    '哪些组在相互通信，哪些被拦截，哪些未受防护',
  ],
  graph: ['Map of traffic', '流量图'],
  graphKeys: [
    'Arrow keys walk the nodes, Enter opens a group or a VM, plus and minus zoom, 0 fits all.',
    '方向键在节点间移动，回车展开组或打开虚拟机，加减号缩放，0 适应窗口。',
  ],
  matrix: ['Table', '表格'],
  both: ['Map and table', '图与表'],
  mapOnly: ['Map', '图'],
  view: ['View', '视图'],
  staged: ['Also what staged policies would stop', '同时显示预演策略将拦截的流量'],
  from: ['From', '源'],
  to: ['To', '目的'],
  flows: ['Flows', '流量数'],
  cellNone: ['no traffic', '无流量'],
  expandAll: ['Open all groups', '展开全部组'],
  collapseAll: ['Close all groups', '收起全部组'],
  fit: ['Fit', '适应窗口'],
  zoomIn: ['Closer', '放大'],
  zoomOut: ['Further away', '缩小'],
  empty: ['No traffic in this time range', '该时间范围内没有流量'],
  emptyBody: [
    'Groups and VMs that talk to each other appear here. Look further back, or let the VMs talk.',
    '相互通信的组和虚拟机会显示在这里。请扩大时间范围，或等待流量产生。',
  ],
  clustered: ['Too many to draw one by one: shown by tenant.', '数量过多，按租户聚合显示。'],
  legend: ['Legend', '图例'],
  external: ['outside', '外部'],
  nodeSays: [
    '{{name}}, {{type}}, {{out}} edges out, {{in}} in',
    '{{name}}，{{type}}，出边 {{out}}，入边 {{in}}',
  ],
  type_vm: ['VM', '虚拟机'],
  type_group: ['group', '安全组'],
  type_external: ['outside address', '外部地址'],
  type_tenant: ['tenant', '租户'],
  openFlows: ['Show these flows', '查看这些流量'],
  edgeSays: ['{{from}} to {{to}}', '{{from}} 到 {{to}}'],
});
