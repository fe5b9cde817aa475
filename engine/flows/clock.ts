// The time as flow records tell it.

/** µs since the epoch (to the millisecond): the clock the kernel stamps with, steps included. */
export function microseconds(): number {
  return Date.now() * 1000;
}
