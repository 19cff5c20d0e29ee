/**
 * Draws one tap as it was spoken: a real gate and a real handset talk over a simulated line, and every frame becomes an
 * arrow whose slope is the time its bytes need at 115,200 baud. `npm run picture` writes `protocol/tap.svg` (and `wiring.ts`'s
 * picture); a test keeps the committed picture equal to what the code says today.
 */
import { writeFileSync } from "node:fs";
import { cobs, deframer, feed } from "../../protocol/link/frame.js";
import { messageType, type as kinds } from "../../protocol/wire/message.js";
import { framedBytes } from "./bytes.js";
import { boardNames, drawBoard } from "./board-wiring.js";
import { drawWiring } from "./wiring.js";
import { makePhone, makeStation, makeWorld, tap, ticket } from "../session/world.js";

interface Spoken { from: "terminal" | "handset"; name: string; bytes: number }

const names: Record<number, [name: string, says: string]> = {
  [kinds.hello]: ["hello", "tap number · fresh key · certificate id · what is wanted"],
  [kinds.ask]: ["ask", "who are you? (only at a terminal never met)"],
  [kinds.certificate]: ["certificate", "signed by the provider: keys, zones, kinds, limit"],
  [kinds.presentation]: ["presentation", "sealed to this terminal: value · newest receipt · proof"],
  [kinds.answer]: ["answer", "sealed: a signed receipt, pending"],
  [kinds.acknowledgement]: ["acknowledgement", "sealed: the value's own key signs the receipt"],
  [kinds.outcome]: ["outcome", "finished, then turned or not"],
};

/** The frames of one good tap with a single-use ticket, at a gate that the handset has never met, up to the all-clear. */
export function listen(): Spoken[] {
  const world = makeWorld();
  const gate = makeStation(world, { name: "North" });
  const phone = makePhone(world, ticket(world));
  const spoken: Spoken[] = [];
  const ear = (from: Spoken["from"]) => {
    const frames = deframer(cobs);
    return (bytes: Uint8Array): Uint8Array[] => {
      for (const frame of feed(frames, bytes)) if (frame.payload.length > 0) spoken.push({ from, name: names[messageType(frame.payload)]![0], bytes: framedBytes(frame.payload.length) });
      return [bytes];
    };
  };
  tap(phone, gate, { toHandset: ear("terminal"), toTerminal: ear("handset") });
  return spoken.slice(0, spoken.findIndex((s) => s.name === "outcome") + 1);
}

const baud = 115_200;
const lineMs = (bytes: number): number => (bytes * 10_000) / baud;
const lane = { handset: 90, terminal: 350 };
const textAt = 392;
const perMs = 5;
const top = 84;
/** A row is at least so high, for its two lines of text; what a side does before it speaks has a row of its own, not to scale. */
const rowPx = 46;
const workPx = 34;

const doing: Record<string, [lane: "handset" | "terminal", text: string]> = {
  certificate: ["handset", "the handset checks the terminal; nothing was shown to it so far"],
  presentation: ["terminal", "genuine? this holder's? not revoked? rule, zone, counter, limits"],
  answer: ["handset", "the handset stores the receipt, durably"],
  acknowledgement: ["terminal", "one durable write to the journal, and only then the gate opens"],
};

/** The picture as SVG. */
export function draw(spoken: readonly Spoken[]): string {
  const parts: string[] = [];
  let y = top;
  for (const s of spoken) {
    const to = y + lineMs(s.bytes) * perMs;
    const [x1, x2] = s.from === "handset" ? [lane.handset, lane.terminal] : [lane.terminal, lane.handset];
    const says = Object.values(names).find(([name]) => name === s.name)![1];
    const text = Math.max((y + to) / 2, y + 12);
    parts.push(
      `<path d="M${x1} ${n(y)} L${x2} ${n(to)}" class="${s.from}" marker-end="url(#${s.from})"/>`,
      `<text x="${textAt}" y="${n(text)}" class="name">${s.name}<tspan class="bytes" dx="8">${s.bytes} bytes · ${lineMs(s.bytes).toFixed(1)} ms</tspan></text>`,
      `<text x="${textAt}" y="${n(text + 16)}" class="says">${says}</text>`,
    );
    y = Math.max(to + 6, y + rowPx);
    const work = doing[s.name];
    if (work === undefined) continue;
    parts.push(`<circle cx="${lane[work[0]]}" cy="${n(y + 8)}" r="4" class="dot"/>`, `<text x="${textAt}" y="${n(y + 12)}" class="work">${work[1]}</text>`);
    y += workPx;
  }
  const total = spoken.reduce((sum, s) => sum + s.bytes, 0);
  return page(parts, y, `${total} bytes, ${lineMs(total).toFixed(0)} ms of line at 115,200 baud; ${total - bytesOf(spoken, "ask") - bytesOf(spoken, "certificate")} bytes once the handset knows the terminal`);
}

const bytesOf = (spoken: readonly Spoken[], name: string): number => spoken.filter((s) => s.name === name).reduce((sum, s) => sum + s.bytes, 0);
const n = (x: number): string => x.toFixed(1);

function page(parts: string[], bottom: number, caption: string): string {
  const height = Math.ceil(bottom + 44);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 840 ${height}" width="840" height="${height}" font-family="system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif">
<title>One tap with a single-use ticket, profile A: ${caption}</title>
<style>
  .ground { fill: #fbfaf7 } .lane { stroke: #c9c3b6; stroke-width: 2 } .head { font-size: 16px; font-weight: 600; text-anchor: middle; fill: #22201c }
  path { fill: none; stroke-width: 2 } .handset { stroke: #0b6e4f } .terminal { stroke: #8a3b12 }
  .dot { fill: #22201c } text { fill: #22201c } .name { font-size: 14px; font-weight: 600 }
  .bytes { font-weight: 400; fill: #6b6558 } .says { font-size: 12.5px; fill: #4a463d } .work { font-size: 12.5px; font-style: italic; fill: #4a463d }
  .caption { font-size: 13px; fill: #22201c }
</style>
<defs>${(["handset", "terminal"] as const).map((id) => `<marker id="${id}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0 L8 4 L0 8 z" style="fill:${id === "handset" ? "#0b6e4f" : "#8a3b12"};stroke:none"/></marker>`).join("")}</defs>
<rect width="840" height="${height}" class="ground"/>
<text x="${lane.handset}" y="44" class="head">handset</text><text x="${lane.terminal}" y="44" class="head">terminal</text>
<line x1="${lane.handset}" y1="58" x2="${lane.handset}" y2="${n(bottom)}" class="lane"/><line x1="${lane.terminal}" y1="58" x2="${lane.terminal}" y2="${n(bottom)}" class="lane"/>
${parts.join("\n")}
<text x="${lane.handset}" y="${n(bottom + 26)}" class="caption">${caption}</text>
</svg>
`;
}

if (process.argv[1]?.endsWith("picture.js") === true) {
  writeFileSync("protocol/tap.svg", draw(listen()));
  writeFileSync("boards/node/wiring.svg", drawWiring());
  for (const board of boardNames) writeFileSync(`boards/espruino/wiring-${board}.svg`, drawBoard(board));
  process.stdout.write(`protocol/tap.svg, boards/node/wiring.svg and boards/espruino/wiring-….svg of ${boardNames.join(", ")} written\n`);
}
