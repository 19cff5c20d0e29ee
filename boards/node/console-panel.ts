/**
 * A panel of one line of text, for machines without lights and for people who watch.
 */
import type { Panel } from "../../runtime/board.js";

export function makeConsolePanel(write: (line: string) => void): Panel {
  return { show: (light, tone, text) => { if (light !== "off") write(`[${light}] ${text === "" ? "Welcome" : text}${tone === "" ? "" : ` (${tone})`}`); } };
}
