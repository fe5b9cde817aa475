// Tells when a network device of this host comes, goes or changes its bridge: long before libvirt says that a VM runs.
import { eachMessage } from '../netlink/message.ts';
import { NETLINK_ROUTE, NetlinkSocket, NOTHING, OVERRUN, ReceiveBuffers } from '../netlink/socket.ts';

const RTNLGRP_LINK = 1;
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const BUFFERS = { count: 16, size: 16 * 1024 };

export class LinkWatch {
  readonly #socket = new NetlinkSocket(NETLINK_ROUTE);
  readonly #buffers = new ReceiveBuffers(BUFFERS.count, BUFFERS.size);

  constructor() {
    this.#socket.receiveRoom(1024 * 1024);
    this.#socket.join(RTNLGRP_LINK);
  }

  /** Whether anything has changed since the last call. Never waits. */
  poll(): boolean {
    let changed = false;
    for (;;) {
      const count = this.#socket.receive(this.#buffers);
      if (count === NOTHING) return changed;
      // What was missed may be anything.
      if (count === OVERRUN) changed = true;
      for (let i = 0; i < count; i++) {
        const start = i * BUFFERS.size;
        const length = this.#buffers.length(i);
        if (length < 0) changed = true;
        else
          eachMessage(this.#buffers.view, start, start + length, ({ type }) => {
            if (type === RTM_NEWLINK || type === RTM_DELLINK) changed = true;
          });
      }
    }
  }

  close(): void {
    this.#socket.close();
    this.#buffers.free();
  }
}
