/**
 * What a measure is: a few figures, each beside its floor and its goal. The floor is what the same work cannot cost less
 * than, taken in the same run on the same machine, so that a figure says something on any machine.
 */

export interface Figure {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** Measured or summed in this run; `of` says what it is. */
  readonly floor?: { readonly value: number; readonly of: string };
  readonly goal?: Goal;
  /** The same figure on paper, or published elsewhere, and where. */
  readonly beside?: { readonly value: number; readonly from: string };
  /** The same on every machine and in every run: a goal missed is then a failure. Anything else is this machine's. */
  readonly exact?: boolean;
}
/** At most, at least, or for a ratio: at most so many times the floor. */
export type Goal = { readonly most: number } | { readonly least: number } | { readonly timesFloor: number } | { readonly exactly: number };

export interface Table { readonly title: string; readonly figures: readonly Figure[]; readonly notes: readonly string[] }

export interface Options {
  /** Fewer rounds: for a look, not for a record. */
  readonly quick: boolean;
  /** One line of progress, to the person at the console. */
  readonly say: (line: string) => void;
}

export interface Measure { readonly name: string; readonly summary: string; run(o: Options): Promise<Table[]> }

export function meets(f: Figure): boolean {
  const goal = f.goal;
  if (goal === undefined) return true;
  if ("most" in goal) return f.value <= goal.most;
  if ("least" in goal) return f.value >= goal.least;
  if ("exactly" in goal) return f.value === goal.exactly;
  return f.floor === undefined || f.value <= goal.timesFloor * f.floor.value;
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

/** The smallest value that at least this share of all values does not pass. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
}

/** Microseconds that a piece of work took. */
export function timed(work: () => void): number {
  const begin = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - begin) / 1000;
}

/** Microseconds of processor time that this process spent on a piece of work: what others do on the machine is left out. */
export function spent(work: () => void): number {
  const begin = process.cpuUsage();
  work();
  const used = process.cpuUsage(begin);
  return used.user + used.system;
}

/**
 * Several kinds of work in turn, round after round, so that whatever slows the machine down slows all of them down. The
 * first tenth of the rounds warms up and does not count. Answers one list of microseconds a call for each kind.
 */
export function interleaved(rounds: number, works: readonly ((round: number) => void)[], calls = 1, clock = timed): number[][] {
  const found: number[][] = works.map(() => []);
  const warming = Math.ceil(rounds / 10);
  for (let round = 0; round < warming + rounds; round++) {
    works.forEach((work, i) => {
      const took = clock(() => { for (let call = 0; call < calls; call++) work(round * calls + call); });
      if (round >= warming) found[i]!.push(took / calls);
    });
  }
  return found;
}
