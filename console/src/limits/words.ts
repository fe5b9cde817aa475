// Words of limits.
import { bilingual } from '../i18n/bilingual.ts';

export const words = bilingual({
  title: ['Limits', '限额'],
  answer: [
    'How much of the network some VMs may take, so that none starves another',
    '各虚拟机可占用的网络资源，避免相互影响',
  ],
  connections: ['Connections', '并发连接'],
  connectionsPerSecond: ['New per second', '每秒新建'],
  synsPerSecond: ['SYNs per second', '每秒 SYN'],
  send: ['Sends', '发送带宽'],
  receive: ['Receives', '接收带宽'],
  none: ['no limit', '不限'],
  mbit: ['{{number}} Mbit/s', '{{number}} Mbit/s'],
  kbit: ['{{number}} kbit/s', '{{number}} kbit/s'],
  refusedConnections: [
    'Refused: the VM has as many connections open as its limit allows',
    '已拒绝：该虚拟机的并发连接数达到限额',
  ],
  refusedRate: [
    'Refused: the VM opened connections as fast as its limit allows',
    '已拒绝：该虚拟机新建连接的速率达到限额',
  ],
  see: ['See the limits', '查看限额'],
  empty: ['No limit yet', '还没有限额'],
  emptyBody: [
    'A limit bounds the connections and the bandwidth of some VMs. Where none speaks, connection attempts to one port are bounded to 2,000 a second.',
    '限额约束一组虚拟机的连接数和带宽。未设置时，对同一端口的连接请求上限为每秒 2,000 次。',
  ],
});
