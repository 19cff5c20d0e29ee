/**
 * How often a stranger may knock (`trust.md` §5): so many a second on average, and as many again saved up for a burst. The
 * names heard longest ago are forgotten first, so that nobody fills the memory with new ones.
 */
export interface Buckets { /** Takes one token of this name; false when there is none. */ admit(name: string): boolean }

const namesMost = 10_000;

/** `burst` tokens at first and at most, `perSecond` more each second. `nowMs` only rises. */
export function makeBuckets(perSecond: number, burst: number, nowMs: () => number): Buckets {
  const buckets = new Map<string, { tokens: number; at: number }>();
  return {
    admit: (name) => {
      const now = nowMs();
      const known = buckets.get(name) ?? { tokens: burst, at: now };
      const tokens = Math.min(burst, known.tokens + ((now - known.at) / 1000) * perSecond);
      buckets.delete(name);
      buckets.set(name, { tokens: tokens >= 1 ? tokens - 1 : tokens, at: now });
      if (buckets.size > namesMost) buckets.delete(buckets.keys().next().value!);
      return tokens >= 1;
    },
  };
}
