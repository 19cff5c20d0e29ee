/**
 * A panel and a relay of one line of text each, for machines without lights and for people who watch.
 */
import { boardFault } from "../../runtime/journal/store.js";
import type { Digital, Panel } from "../../runtime/board.js";

export function makeConsolePanel(write: (line: string) => void): Panel {
  return { show: (light, manner, tone, text) => { if (light !== "off") write(`[${light}${manner === "blinking" ? " blinking" : ""}] ${text === "" ? "Welcome" : text}${tone === "" ? "" : ` (${tone})`}`); } };
}

/** Says when it opens and shuts, and nothing when it stays. */
export function makeConsoleRelay(write: (line: string) => void): Digital {
  let level: 0 | 1 = 0;
  let closed = false;
  return {
    onReadable: undefined, read: () => level, close: () => { closed = true; },
    write: (to) => {
      if (closed) throw boardFault("disconnected", "This relay is closed.");
      if (to !== level) write(to === 1 ? "[relay] open" : "[relay] shut");
      level = to;
    },
  };
}
