/**
 * Draws how a small board is wired, from the board's own page in `boards/espruino`: the pins in its first paragraph are the ones
 * that its code names, and a test holds picture and page together. `npm run picture` writes one SVG a board.
 */
import { readFileSync } from "node:fs";
import { projectFile } from "../published.js";

export const boardNames = ["puck", "xiao-ble", "pico", "esp32"] as const;

/** Rows of a page's table: `line`, `relay`, `passage`, `lights`, `sounder`, `button`. */
export function wiringOf(board: string): { title: string; rows: [name: string, says: string][] } {
  const page = readFileSync(projectFile(`boards/espruino/${board}.ts`), "utf8");
  const lines = page.slice(0, page.indexOf("*/")).split("\n").map((line) => line.replace(/^ \* ?/, ""));
  const rows = lines.flatMap((line) => [...line.matchAll(/(?:^|\s{2,})(line|relay|passage|lights|sounder|button)\s+(\S.*?)(?=\s{2,}(?:line|relay|passage|lights|sounder|button)\s|$)/g)].map((m): [string, string] => [m[1]!, m[2]!]));
  return { title: lines[1]!.split(" as a gate")[0]!, rows };
}

const colours: Record<string, string> = { line: "#22201c", relay: "#7a3fa0", passage: "#0b7285", lights: "#1d8a4a", sounder: "#55504a", button: "#8a3b12" };
const means: Record<string, string> = {
  line: "the handset's reader, or the bench", relay: "a relay module's IN; its contact opens the gate", passage: "the turnstile's contact or sensor", lights: "what the holder sees",
  sounder: "one beep of 80 ms is a yes, longer ones a no", button: "only for whoever puts another program on it",
};

export function drawBoard(board: string): string {
  const { title, rows } = wiringOf(board);
  const [top, step] = [96, 58];
  const height = top + rows.length * step + 50;
  const drawn = rows.flatMap(([name, says], i) => {
    const y = top + i * step + 24;
    return [
      `<line x1="210" y1="${y}" x2="300" y2="${y}" stroke="${colours[name]}" stroke-width="2.5"/><circle cx="308" cy="${y}" r="8" fill="${colours[name]}"/>`,
      `<text x="328" y="${y - 3}" class="name">${name}<tspan class="says" dx="10">${says.replace(/&/g, "&amp;").replace(/</g, "&lt;")}</tspan></text>`,
      `<text x="328" y="${y + 15}" class="when">${means[name]}</text>`,
    ];
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 ${height}" width="960" height="${height}" font-family="system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif">
<title>A gate on ${title}</title>
<style>text { fill: #22201c } .name { font-size: 14px; font-weight: 600 } .says { font-weight: 400 } .when { font-size: 12px; font-style: italic; fill: #4a463d } .caption { font-size: 13px }</style>
<rect width="960" height="${height}" fill="#fbfaf7"/>
<text x="30" y="36" style="font-size:18px;font-weight:600">A gate on ${title}</text>
<text x="30" y="58" class="caption">Pins as the firmware has them; a gate's motor or lock has its own supply and hangs on the relay's contact.</text>
<rect x="30" y="${top - 10}" width="180" height="${rows.length * step}" rx="8" fill="#e7efe9" stroke="#0b6e4f" stroke-width="2"/>
<text x="120" y="${top + (rows.length * step) / 2}" text-anchor="middle" style="font-size:15px;font-weight:600">${title}</text>
${drawn.join("\n")}
<text x="30" y="${height - 20}" class="caption">All grounds are one.</text>
</svg>
`;
}
