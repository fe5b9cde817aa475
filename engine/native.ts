// Calls into C libraries, set up once for all of them.
import koffi from 'koffi';

/**
 * koffi runs an asynchronous call on a stack of its own: 128 KiB, with no guard behind it, unless told otherwise.
 * libnftables alone keeps several receive buffers of 70 KiB there. Pages that are never touched cost nothing.
 */
const STACK_BYTES = 8 * 1024 * 1024;

koffi.config({ async_stack_size: STACK_BYTES });

export default koffi;
