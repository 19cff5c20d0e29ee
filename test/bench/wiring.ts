/**
 * Draws how a gate is wired to an Arduino with StandardFirmata, from the pins of the example configuration and what
 * `boards/node/firmata.ts` does with each. `npm run picture` writes `boards/node/wiring.svg`; a test keeps the committed one
 * equal to the pin table.
 */
import { example } from "../../boards/bench/terminal/configuration.js";
import type { Pins } from "../../boards/node/firmata.js";

export const pins = (JSON.parse(example) as { firmata: { pins: Required<Pins> } }).firmata.pins;

/** What hangs on a pin: colour, its name, what is between, and when it is on. */
type Part = readonly [name: string, colour: string, between: string, when: string];
const lamp = (colour: string, name: string, when: string): Part => [name, colour, "330 Ω, then the LED, its short leg to GND", when];
const parts: Record<keyof Pins, Part> = {
  accept: lamp("#1d8a4a", "green light", "accepted: walk through"),
  refuse: lamp("#c02a2a", "red light", "refused; out of service"),
  amber: lamp("#d98200", "amber light", "tap again; please wait"),
  yellow: lamp("#d9c400", "yellow light", "used, elsewhere, not enough left"),
  blue: lamp("#2a5fc0", "blue light", "cannot check now"),
  buzzer: ["active buzzer", "#55504a", "a 5 V buzzer of at most 20 mA, its other leg to GND", "one beep of 80 ms is a yes, longer ones a no"],
  relay: ["relay module", "#7a3fa0", "IN of a 5 V module; its VCC to 5V, GND to GND; its contact opens the gate", "on while the gate is open"],
  passage: ["passage sensor", "#0b7285", "its output; 10 kΩ from the pin to GND, so that nothing connected reads as nobody", "high while somebody is in it"],
};

const left = 300;
const top = 96;
const row = 62;
const textAt = 420;

/** The picture as SVG. */
export function drawWiring(table: Partial<Pins> = pins): string {
  const wired = (Object.entries(table) as [keyof Pins, number][]).sort(([, a], [, b]) => b - a);
  const bottom = top + wired.length * row;
  const rows = wired.flatMap(([name, pin], i) => {
    const [title, colour, between, when] = parts[name];
    const y = top + i * row + 30;
    return [
      `<line x1="${left}" y1="${y}" x2="${textAt - 22}" y2="${y}" stroke="${colour}" class="wire"/>`,
      name === "passage" ? `<path d="M${left + 4} ${y} l9 -5 v10 z" fill="${colour}"/>` : `<path d="M${textAt - 22} ${y} l-9 -5 v10 z" fill="${colour}"/>`,
      `<circle cx="${textAt - 12}" cy="${y}" r="8" fill="${colour}"/>`,
      `<rect x="${left - 8}" y="${y - 6}" width="12" height="12" class="pin"/><text x="${left - 16}" y="${y + 5}" class="number">${pin}</text>`,
      `<text x="${textAt + 6}" y="${y - 3}" class="name">${title}<tspan class="key" dx="8">${name}</tspan></text>`,
      `<text x="${textAt + 6}" y="${y + 13}" class="says">${between}</text>`,
      `<text x="${textAt + 6}" y="${y + 28}" class="when">${when}</text>`,
    ];
  });
  return page(rows, bottom);
}

function page(rows: readonly string[], bottom: number): string {
  const height = bottom + 66;
  const middle = (top + bottom) / 2;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 ${height}" width="960" height="${height}" font-family="system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif">
<title>A gate wired to an Arduino with StandardFirmata</title>
<style>
  .ground { fill: #fbfaf7 } .board { fill: #e7efe9; stroke: #0b6e4f; stroke-width: 2 } .pi { fill: #f3e8e0; stroke: #8a3b12; stroke-width: 2 }
  text { fill: #22201c } .head { font-size: 15px; font-weight: 600; text-anchor: middle } .under { font-size: 12px; text-anchor: middle; fill: #4a463d }
  .number { font-size: 14px; font-weight: 600; text-anchor: end } .pin { fill: #22201c } .wire { stroke-width: 2.5 } .usb { stroke: #22201c; stroke-width: 4; fill: none }
  .name { font-size: 14px; font-weight: 600 } .key { font-weight: 400; fill: #6b6558 } .says { font-size: 12px; fill: #4a463d } .when { font-size: 12px; font-style: italic; fill: #4a463d }
  .caption { font-size: 13px }
</style>
<rect width="960" height="${height}" class="ground"/>
<text x="30" y="36" style="font-size:18px;font-weight:600">A gate on a Raspberry Pi and an Arduino</text>
<text x="30" y="58" class="caption">Pins are those of “kaisatsu terminal --example”; every other pin will do when the configuration says so, but 0 and 1.</text>
<rect x="30" y="${middle - 60}" width="120" height="120" rx="8" class="pi"/>
<text x="90" y="${middle - 6}" class="head">Raspberry Pi</text><text x="90" y="${middle + 14}" class="under">kaisatsu terminal</text>
<line x1="150" y1="${middle}" x2="200" y2="${middle}" class="usb"/><text x="175" y="${middle - 10}" class="under">USB</text>
<rect x="200" y="${top - 14}" width="${left - 200}" height="${bottom - top + 28}" rx="8" class="board"/>
<text x="238" y="${middle - 6}" class="head">Arduino</text><text x="238" y="${middle + 12}" class="under">Standard-</text><text x="238" y="${middle + 27}" class="under">Firmata</text>
${rows.join("\n")}
<text x="30" y="${bottom + 40}" class="caption">All grounds are one. A gate's motor or lock has its own supply and hangs on the relay's contact, never on the Arduino.</text>
</svg>
`;
}
