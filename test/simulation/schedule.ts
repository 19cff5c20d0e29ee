/**
 * Virtual time: a heap of (time, sequence), so that what falls on one moment happens in the order it was asked for. The host
 * is asynchronous but waits for nothing real, so between two events all its microtasks run to their end.
 */
export interface Handle { cancelled: boolean }
interface Event extends Handle { us: number; sequence: number; work: () => void }

export interface Schedule {
  /** Microseconds since the world began. */
  readonly nowUs: number;
  readonly events: number;
  /** Runs `work` at that moment, or at once when it has passed. */
  at(us: number, work: () => void): Handle;
  afterMs(ms: number, work: () => void): Handle;
  /** Something asynchronous was begun in this event: let it run before the next one. */
  settle(): void;
  /** Runs everything up to `untilUs`; time stands there afterwards. `stops` is asked behind each event. */
  run(untilUs: number, stops?: () => boolean): Promise<void>;
}

/** All microtasks run before this resolves; no time passes but a turn of the event loop. */
export const drained = (): Promise<void> => new Promise((done) => { setImmediate(done); });

/** Four gates and their handsets need some hundred. */
const eventsMost = 20_000;

export function makeSchedule(): Schedule {
  const heap: Event[] = [];
  let nowUs = 0;
  let sequence = 0;
  let unsettled = false;
  let events = 0;
  let thisSecond = 0;
  const before = (a: Event, b: Event): boolean => a.us < b.us || (a.us === b.us && a.sequence < b.sequence);
  const swap = (i: number, j: number): void => { [heap[i], heap[j]] = [heap[j]!, heap[i]!]; };
  const push = (e: Event): void => {
    heap.push(e);
    for (let i = heap.length - 1; i > 0;) {
      const parent = (i - 1) >> 1;
      if (!before(heap[i]!, heap[parent]!)) break;
      swap(i, parent);
      i = parent;
    }
  };
  const pop = (): Event => {
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    heap[0] = last;
    for (let i = 0; ;) {
      let least = i;
      for (const child of [2 * i + 1, 2 * i + 2]) if (child < heap.length && before(heap[child]!, heap[least]!)) least = child;
      if (least === i) return first;
      swap(i, least);
      i = least;
    }
  };
  const at = (us: number, work: () => void): Handle => {
    const e: Event = { us: Math.max(nowUs, Math.ceil(us)), sequence: sequence++, work, cancelled: false };
    push(e);
    return e;
  };
  return {
    get nowUs() { return nowUs; },
    get events() { return events; },
    at,
    afterMs: (ms, work) => at(nowUs + ms * 1000, work),
    settle: () => { unsettled = true; },
    run: async (untilUs, stops) => {
      while (heap.length > 0 && heap[0]!.us <= untilUs) {
        const e = pop();
        if (e.cancelled) continue;
        if (Math.floor(e.us / 1e6) > Math.floor(nowUs / 1e6)) thisSecond = 0;
        if (++thisSecond > eventsMost) throw new Error(`more than ${eventsMost} events within the virtual second ${Math.floor(e.us / 1e6)}: somebody never comes to rest`);
        nowUs = e.us;
        events++;
        e.work();
        while (unsettled) { unsettled = false; await drained(); }
        if (stops?.() === true) return;
      }
      nowUs = Math.max(nowUs, untilUs);
    },
  };
}
