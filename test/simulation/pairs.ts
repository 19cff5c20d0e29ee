/**
 * Which things came together. A *feature* is a way of working that a world may use or not: a flash store, a one-way code, a
 * handover. A pair of features, or of a feature and a fault, has met when both were at one place (a gate, a handset) within
 * a minute of virtual time, or one happened there while the other lasted; what concerns the whole world is at every place.
 *
 * Both in one world would be a weaker count: a fault at gate 0 and a handover at gate 3 an hour later have nothing to do with
 * each other, and nearly every world has nearly everything. A minute is the time in which a tap is torn, resumed and ended.
 */
import { joinings } from "./joined.js";
import { faultKinds } from "./plan.js";

export const features: readonly string[] = [
  "profile A", "profile B", "ticket", "coupons", "prepaid", "pass", "exit", "certificate asked for", "certificate known", "resume", "inquire", "handover", "finished elsewhere", "reversal",
  "reopened", "refused by status", "status changed", "new configuration", "renewal", "two handsets", "copied handset", "rolled-back handset", "liar", "refresh", "report", "closed", "reboot", "days pass",
  "outage", "host restored", "gate's twin", "disk store", "flash store", "only profile B", "no sensor", "no clock", "clock off", "weak random",
  ...joinings.flatMap((j) => j.features),
];

/** strings and kinds of faults; a pair is named by two of these, the earlier one first. */
export const names: readonly string[] = [...features, ...new Set(faultKinds.map((k) => k.kind))];
const numberOf = new Map(names.map((name, i) => [name, i]));

/** The place of what concerns everybody. */
const everywhere = "everywhere";
const placesOr = (places: readonly string[]): readonly string[] => (places.length === 0 ? [everywhere] : places);
const togetherUs = 60e6;

export interface Pairs {
  /** It happened now, at these places; without any, everywhere. */
  happened(what: string, ...places: readonly string[]): void;
  /** It is so from now on, until `ends`. */
  begins(what: string, ...places: readonly string[]): void;
  ends(what: string, ...places: readonly string[]): void;
  /** Somebody stands at this place: whatever is at either of the two has met. */
  stands(who: string, place: string): void;
  /** How often each feature was in use. */
  readonly used: Record<string, number>;
  /** Pairs that met, as `a + b`. */
  met(): string[];
}

/** Pairs are made while `counts` says so: while faults strike. */
export function makePairs(now: () => number, counts: () => boolean): Pairs {
  const here = new Map<string, Map<number, number>>();
  const found = new Set<number>();
  const used: Record<string, number> = {};
  const at = (place: string): Map<number, number> => {
    let list = here.get(place);
    if (list === undefined) here.set(place, (list = new Map()));
    return list;
  };
  const meet = (what: number, list: Map<number, number>): void => {
    for (const [other, untilUs] of list) {
      if (untilUs < now()) list.delete(other);
      else if (other !== what && counts()) found.add(Math.min(other, what) * names.length + Math.max(other, what));
    }
  };
  const put = (what: string, places: readonly string[], untilUs: number): void => {
    const number = numberOf.get(what);
    if (number === undefined) throw new Error(`nobody counts ${what}: add it to the features`);
    if (number < features.length) used[what] = (used[what] ?? 0) + 1;
    if (places.length === 0) for (const list of here.values()) meet(number, list);
    else for (const place of [...places, everywhere]) meet(number, at(place));
    for (const place of placesOr(places)) at(place).set(number, Math.max(untilUs, at(place).get(number) ?? 0));
  };
  return {
    used,
    happened: (what, ...places) => put(what, places, now() + togetherUs),
    begins: (what, ...places) => put(what, places, Infinity),
    ends: (what, ...places) => { for (const place of placesOr(places)) at(place).set(numberOf.get(what)!, now() + togetherUs); },
    stands: (who, place) => { for (const [what, untilUs] of at(who)) if (untilUs >= now()) meet(what, at(place)); },
    met: () => [...found].map((n) => nameOfPair(names[Math.floor(n / names.length)]!, names[n % names.length]!)),
  };
}

/** One name whichever comes first. */
export function nameOfPair(a: string, b: string): string {
  const [first, second] = numberOf.get(a)! <= numberOf.get(b)! ? [a, b] : [b, a];
  return `${first} + ${second}`;
}
