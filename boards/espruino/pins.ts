/** Pins as the relay, the passage sensor, and the lights and tones of a panel. */
import type { Digital, Panel } from "../../runtime/board.js";

/** An output, on at the level named. */
export function output(pin: Pin, on: number): Digital {
  let level: 0 | 1 = 0;
  pin.write(1 - on);
  return {
    read: () => level, write: (to) => { level = to; pin.write(to === 1 ? on : 1 - on); }, onReadable: undefined, close: () => {},
  };
}

/** An input whose changes are kept until they are read, so that no short pulse is missed. */
export function input(pin: Pin, on: number, wake: () => void): Digital {
  const changes: (0 | 1)[] = [];
  pin.mode(on === 1 ? "input_pulldown" : "input_pullup");
  setWatch((e) => { if (changes.push((e.state ? 1 : 0) === on ? 1 : 0) > 8) changes.shift(); wake(); }, pin, { repeat: true, edge: "both" });
  return {
    read: () => { const next = changes.shift(); return next !== undefined ? next : pin.read() === on ? 1 : 0; },
    write: () => {}, onReadable: undefined, close: () => {},
  };
}

/** What of a panel a board has: a pin for each colour, on at the level named, and one that sounds. */
export interface Lights { red: Pin; green: Pin; blue: Pin | undefined; on: number; sounder: Pin | undefined }

/** Amber and yellow are red and green together, of which amber blinks; without a blue light blue is both red and blinking. */
export function panel(lights: Lights): Panel {
  let blinking = 0;
  const show = (red: boolean, green: boolean, blue: boolean): void => {
    lights.red.write(red ? lights.on : 1 - lights.on);
    lights.green.write(green ? lights.on : 1 - lights.on);
    if (lights.blue !== undefined) lights.blue.write(blue ? lights.on : 1 - lights.on);
  };
  return {
    show: (light, manner, tone) => {
      const both = light === "amber" || light === "yellow";
      let lit = true;
      const draw = (): void => show(lit && (light === "red" || both), lit && (light === "green" || both), lit && light === "blue");
      draw();
      if (blinking !== 0) clearInterval(blinking);
      blinking = manner === "blinking" ? setInterval(() => { lit = !lit; draw(); }, 250) : 0;
      if (lights.sounder !== undefined && tone.length > 0) sound(lights.sounder, tone, 0);
    },
  };
}

/** `h` high 80 ms, `l` low 250 ms, `-` pause (`refusal.ts`). */
function sound(pin: Pin, tone: string, at: number): void {
  const sign = tone[at];
  if (sign === undefined) { analogWrite(pin, 0, { freq: 1000 }); return; }
  analogWrite(pin, sign === "-" ? 0 : 0.5, { freq: sign === "h" ? 2600 : 700 });
  setTimeout(() => sound(pin, tone, at + 1), sign === "h" ? 80 : sign === "l" ? 250 : 100);
}
