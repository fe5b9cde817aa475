// Takes every queue and device of ours away; those of others stay.
import { stepsTo } from './shaping.ts';
import { TrafficControl } from './traffic-control.ts';

/** How many there were. After the rules are gone: a rule that leads to a device that is not there drops. */
export async function removeLimits(): Promise<number> {
  const control = new TrafficControl();
  try {
    const { steps } = stepsTo([], { ifbs: await control.ifbs(), queues: await control.queues() });
    for (const step of steps)
      if (step.do === 'delete') await control.deleteDevice(step.index);
      else if (step.do === 'free') await control.deleteRate(step.index);
    return steps.length;
  } finally {
    control.close();
  }
}
